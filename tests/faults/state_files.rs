//! What the files of a state folder may meet between two runs.

use super::scene::{Scene, Template};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    Emptied,
    Halved,
    Removed,
    /// One bit of the byte at this share of what is written.
    Flipped(u32),
}

impl Harm {
    pub const ALL: [Harm; 6] = [Harm::Emptied, Harm::Halved, Harm::Removed, Harm::Flipped(0), Harm::Flipped(50), Harm::Flipped(90)];

    fn apply(self, path: &Path) {
        let mut bytes = fs::read(path).expect("a state file");
        match self {
            Harm::Emptied => bytes.clear(),
            Harm::Halved => bytes.truncate(bytes.len() / 2),
            Harm::Removed => return fs::remove_file(path).expect("a state file"),
            Harm::Flipped(share) => {
                let written = bytes.iter().rposition(|byte| *byte != 0).expect("something is written");
                bytes[written * share as usize / 100] ^= 0x10;
            }
        }
        fs::write(path, bytes).expect("a writable file");
    }
}

/// The kinds of files that a run leaves there, links and kept entries aside: those are the node's bytes.
pub const FILES: [&str; 4] = ["db/db", "db/conf", "shadow", "LOCK"];

/// The file in the state folder whose name begins like this.
fn find(scene: &Scene, name: &str) -> PathBuf {
    let (folder, name) = name.rsplit_once('/').unwrap_or(("", name));
    let folder = scene.path("state").join(folder);
    let mut entries = fs::read_dir(&folder).expect("the state folder").map(|entry| entry.expect("a readable folder").path());
    let found = entries.find(|path| path.is_file() && path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(name)));
    found.unwrap_or_else(|| panic!("nothing in {} is called {name}…", folder.display()))
}

/// A scene that was killed in the middle of its work.
fn half_done(template: &Template) -> Scene {
    let is_save = |effect: &&super::scene::Effect| effect.call == "fdatasync" && effect.path == "/state/shadow";
    let saves: Vec<usize> = template.effects.iter().filter(is_save).map(|effect| effect.nth).collect();
    let nth = saves[saves.len() / 2].to_string();
    let scene = Scene::new(template);
    let killed =
        scene.run_with(&[("FAULT_CALL", "fdatasync"), ("FAULT_PATH", "/state/shadow"), ("FAULT_NTH", &nth), ("FAULT_DO", "kill-after")]);
    assert!(killed.met && killed.code.is_none(), "killed in the middle: {:?}\n{}", killed.code, killed.err);
    assert!(fs::read_dir(scene.path("state/spool")).expect("the spool").next().is_some(), "something is under way");
    scene
}

/// The next run mends what was harmed, and says so where something had to be.
pub fn goes_on_after(template: &Template, file: &str, harm: Harm) -> String {
    let scene = half_done(template);
    harm.apply(&find(&scene, file));

    let ended = scene.run_with(&[]);

    let what = format!("{file} {harm:?}");
    assert_eq!(ended.code, Some(0), "{what}\n{}", ended.err);
    scene.assert_as_if_nothing_had_happened(template, &what);
    crate::support::audit::assert_adds_up(&scene.path("ringtail.yaml"), &what);
    ended.err
}

/// Without a version it does not guess: it ends with these, names the file, and goes on when the file is back.
pub fn asks_for_the_version(template: &Template, harm: Harm) {
    let scene = half_done(template);
    let path = scene.path("state/VERSION");
    let before = fs::read(&path).expect("the version");
    harm.apply(&path);

    let refused = scene.run_with(&[]);

    assert!([Some(64), Some(70)].contains(&refused.code), "{harm:?}: {:?}\n{}", refused.code, refused.err);
    let last = refused.err.lines().last().unwrap_or_default();
    assert!(last.starts_with("ringtail: ") && last.contains("ersion") || last.contains("VERSION"), "{harm:?}: {last}");
    File::create(&path).and_then(|_| fs::write(&path, before)).expect("a writable folder");
    assert_eq!(scene.run_with(&[]).code, Some(0));
    scene.assert_as_if_nothing_had_happened(template, &format!("VERSION {harm:?} and back"));
}
