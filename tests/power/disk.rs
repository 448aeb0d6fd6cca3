//! A tree of files with two sides: what every process sees, and what is on the disk.
//!
//! What a call makes durable:
//!
//! | call | [`Rule::Strict`] | [`Rule::Ordered`] |
//! |---|---|---|
//! | `fsync`, `fdatasync` of a file | its bytes and its length | the same, and every name in every folder up to now |
//! | `fsync` of a folder | its names: what was made, linked, removed in it or renamed into it | every name in every folder up to now |
//! | `sync_file_range`, `close`, time | nothing | nothing |
//!
//! What is left of the rest when the power goes, by the choices of a seed:
//!
//! | | [`Rule::Strict`] | [`Rule::Ordered`] |
//! |---|---|---|
//! | names | each change by itself, or not | all changes up to some moment |
//! | length | that of some moment since the last sync | the same |
//! | bytes | each page of 4096 as it was at some moment; torn into sectors of 512 of two moments | the same, but new blocks are written before the length that shows them |
//! | mode | old or new | old or new |
//!
//! A rename is one change under both rules: there after the cut, or not, never half.
//!
//! Strict is what POSIX leaves: fsync(2) "does not necessarily ensure that the entry in the directory containing the file has also
//! reached disk. For that an explicit fsync() on a file descriptor for the directory is also needed"; sync_file_range(2) "is extremely
//! dangerous and should not be used in portable programs. None of these operations writes out the file's metadata". That changes of
//! different files and names reach real disks in any order, and that writes of more than one block are torn, is what Pillai et al.,
//! "All File Systems Are Not Created Equal" (OSDI 2014, section 3 and table 1), found; they found renames atomic on all six
//! file systems that journal or copy. Ordered is ext4 with `data=ordered` (Documentation/filesystems/ext4, "Data Mode": data blocks go to
//! the disk before the transaction that refers to them; transactions of jbd2 are one sequence, and `fsync` commits all of it).

use super::content::Content;
use ringtail::sink::faults::Choices;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, io};

/// How much one sync promises, and how much a cut leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// What POSIX promises and not a bit more.
    Strict,
    /// ext4 with `data=ordered`.
    Ordered,
}

/// A file or a folder, by its number.
pub type Node = u64;
/// The root folder.
pub const ROOT: Node = 1;

type Names = BTreeMap<OsString, Node>;

/// What a number stands for.
#[derive(Clone, Debug)]
pub struct Inode {
    /// Its kind, with what is in it.
    pub body: Body,
    /// Permissions, owner, group: as seen, and as on the disk.
    pub owner: (u32, u32),
    /// As seen.
    pub mode: u16,
    mode_on_disk: u16,
    /// When it was last changed.
    pub modified: SystemTime,
}

/// Bytes or names.
#[derive(Clone, Debug)]
pub enum Body {
    /// A file.
    File(Content),
    /// A folder: its names as seen, and on the disk.
    Folder {
        /// As seen.
        live: Names,
        /// On the disk.
        disk: Names,
    },
}

/// A change of names.
#[derive(Clone, Debug)]
enum Change {
    Put { folder: Node, name: OsString, node: Node },
    Remove { folder: Node, name: OsString },
    Move { from: (Node, OsString), to: (Node, OsString), node: Node },
}

/// The tree.
#[derive(Clone, Debug)]
pub struct Disk {
    nodes: BTreeMap<Node, Inode>,
    next: Node,
    /// Changes of names that are not on the disk for certain, in order.
    pending: Vec<Change>,
    /// What holds from the last cut on.
    pub rule: Rule,
    /// Files whose syncs are answered and not done, by how their paths end.
    pub lies: Vec<PathBuf>,
}

impl Inode {
    fn new(body: Body, mode: u16, owner: (u32, u32)) -> Inode {
        Inode { body, owner, mode, mode_on_disk: mode, modified: SystemTime::now() }
    }

    fn folder(mode: u16, owner: (u32, u32)) -> Inode {
        Inode::new(Body::Folder { live: Names::new(), disk: Names::new() }, mode, owner)
    }

    fn names(&self) -> Option<&Names> {
        if let Body::Folder { live, .. } = &self.body { Some(live) } else { None }
    }
}

impl Disk {
    /// An empty disk.
    pub fn new(rule: Rule) -> Disk {
        let nodes = BTreeMap::from([(ROOT, Inode::folder(0o755, (0, 0)))]);
        Disk { nodes, next: ROOT + 1, pending: Vec::new(), rule, lies: Vec::new() }
    }

    /// What this number stands for.
    pub fn node(&self, node: Node) -> Option<&Inode> {
        self.nodes.get(&node)
    }

    /// The same, to change it.
    pub fn node_mut(&mut self, node: Node) -> Option<&mut Inode> {
        self.nodes.get_mut(&node)
    }

    /// The bytes of a file.
    pub fn content_mut(&mut self, node: Node) -> Option<&mut Content> {
        let inode = self.nodes.get_mut(&node)?;
        let Body::File(content) = &mut inode.body else { return None };
        inode.modified = SystemTime::now();
        Some(content)
    }

    /// The names in a folder.
    pub fn names(&self, folder: Node) -> Option<&BTreeMap<OsString, Node>> {
        self.nodes.get(&folder)?.names()
    }

    /// What a name stands for.
    pub fn find(&self, folder: Node, name: &OsStr) -> Option<Node> {
        self.names(folder)?.get(name).copied()
    }

    /// How many names a file has, and a folder by the usual count.
    pub fn links(&self, node: Node) -> u32 {
        let folders = || self.nodes.values().filter_map(Inode::names);
        if let Some(names) = self.names(node) {
            let below = names.values().filter(|node| self.names(**node).is_some()).count();
            return 2 + below as u32;
        }
        folders().flat_map(BTreeMap::values).filter(|other| **other == node).count() as u32
    }

    /// A new file or folder under a name that is free.
    pub fn make(&mut self, folder: Node, name: &OsStr, is_folder: bool, mode: u16, owner: (u32, u32)) -> Node {
        let node = self.next;
        self.next += 1;
        let inode = if is_folder { Inode::folder(mode, owner) } else { Inode::new(Body::File(Content::default()), mode, owner) };
        self.nodes.insert(node, inode);
        self.change(Change::Put { folder, name: name.to_owned(), node });
        node
    }

    /// Another name for a file.
    pub fn link(&mut self, node: Node, folder: Node, name: &OsStr) {
        self.change(Change::Put { folder, name: name.to_owned(), node });
    }

    /// A name goes.
    pub fn remove(&mut self, folder: Node, name: &OsStr) {
        self.change(Change::Remove { folder, name: name.to_owned() });
    }

    /// A name becomes another one.
    pub fn rename(&mut self, from: (Node, &OsStr), to: (Node, &OsStr), node: Node) {
        self.change(Change::Move { from: (from.0, from.1.to_owned()), to: (to.0, to.1.to_owned()), node });
    }

    fn change(&mut self, change: Change) {
        self.apply(&change, false);
        self.pending.push(change);
    }

    /// The names in a folder, on one side.
    fn side(&mut self, folder: Node, is_disk: bool) -> Option<&mut Names> {
        match &mut self.nodes.get_mut(&folder)?.body {
            Body::Folder { disk, .. } if is_disk => Some(disk),
            Body::Folder { live, .. } => Some(live),
            Body::File(_) => None,
        }
    }

    fn apply(&mut self, change: &Change, to_disk: bool) {
        match change {
            Change::Put { folder, name, node } => self.side(*folder, to_disk).and_then(|names| names.insert(name.clone(), *node)),
            Change::Remove { folder, name } => self.side(*folder, to_disk).and_then(|names| names.remove(name)),
            Change::Move { from, to, node } => {
                if let Some(names) = self.side(from.0, to_disk).filter(|names| names.get(&from.1) == Some(node)) {
                    names.remove(&from.1);
                }
                self.side(to.0, to_disk).and_then(|names| names.insert(to.1.clone(), *node))
            }
        };
    }

    /// Brings those changes to the disk, in their order.
    fn commit(&mut self, is_meant: impl Fn(&Change) -> bool) {
        let (now, later) = std::mem::take(&mut self.pending).into_iter().partition(is_meant);
        self.pending = later;
        let now: Vec<Change> = now;
        now.iter().for_each(|change| self.apply(change, true));
    }

    /// Brings everything about this name to the disk: for whoever's changes are durable at once.
    pub fn commit_name(&mut self, folder: Node, name: &OsStr) {
        let is_it = |place: (&Node, &OsString)| *place.0 == folder && place.1 == name;
        self.commit(|change| match change {
            Change::Put { folder, name, .. } | Change::Remove { folder, name } => is_it((folder, name)),
            Change::Move { from, to, .. } => is_it((&from.0, &from.1)) || is_it((&to.0, &to.1)),
        });
    }

    /// `fsync` of a file or a folder. False if that was a lie.
    pub fn sync(&mut self, node: Node) -> bool {
        if self.is_lied_about(node) {
            return false;
        }
        let Some(inode) = self.nodes.get_mut(&node) else { return true };
        inode.mode_on_disk = inode.mode;
        if let Body::File(content) = &mut inode.body {
            content.sync();
        }
        match self.rule {
            Rule::Ordered => self.commit(|_| true),
            Rule::Strict => self.commit(|change| match change {
                Change::Put { folder, .. } | Change::Remove { folder, .. } => *folder == node,
                Change::Move { to, .. } => to.0 == node,
            }),
        }
        true
    }

    fn is_lied_about(&self, node: Node) -> bool {
        !self.lies.is_empty() && self.paths().iter().any(|(path, found)| *found == node && self.lies.iter().any(|lie| path.ends_with(lie)))
    }

    /// Every name of every file.
    pub fn paths(&self) -> Vec<(PathBuf, Node)> {
        let mut found = Vec::new();
        let mut open = vec![(PathBuf::new(), ROOT)];
        while let Some((path, folder)) = open.pop() {
            for (name, node) in self.names(folder).into_iter().flatten() {
                let path = path.join(name);
                match self.names(*node) {
                    Some(_) => open.push((path, *node)),
                    None => found.push((path, *node)),
                }
            }
        }
        found
    }

    /// Writes everything below this folder to a folder of another file system.
    pub fn export(&self, folder: Node, to: &Path) -> io::Result<()> {
        fs::create_dir_all(to)?;
        for (name, node) in self.names(folder).into_iter().flatten() {
            match &self.nodes[node].body {
                Body::Folder { .. } => self.export(*node, &to.join(name))?,
                Body::File(content) => fs::write(to.join(name), content.live())?,
            }
        }
        Ok(())
    }

    /// The power goes and comes back. How many files and names are not as they were seen last.
    pub fn cut(&mut self, choices: &mut Choices) -> usize {
        // Now and then nothing of it has reached the disk, and now and then all.
        let late = [0, 100, 500, 900, 1000][choices.below(5) as usize];
        let before = self.paths();
        let changes = std::mem::take(&mut self.pending);
        let kept: Vec<Change> = match self.rule {
            Rule::Strict => changes.into_iter().filter(|_| choices.happens(late)).collect(),
            Rule::Ordered if choices.happens(late) => changes,
            Rule::Ordered => {
                let moment = choices.below(changes.len() as u64 + 1) as usize;
                changes.into_iter().take(moment).collect()
            }
        };
        kept.iter().for_each(|change| self.apply(change, true));
        let mut lost = 0;
        for inode in self.nodes.values_mut() {
            match &mut inode.body {
                Body::File(content) => lost += usize::from(content.cut(choices, self.rule, late)),
                Body::Folder { live, disk } => live.clone_from(disk),
            }
            if !choices.happens(late) {
                inode.mode = inode.mode_on_disk;
            }
            inode.mode_on_disk = inode.mode;
        }
        self.forget_nameless();
        let (before, after): (BTreeSet<_>, BTreeSet<_>) = (before.into_iter().collect(), self.paths().into_iter().collect());
        lost + before.symmetric_difference(&after).count()
    }

    /// What no name leads to is gone after a cut.
    fn forget_nameless(&mut self) {
        let mut named = BTreeSet::from([ROOT]);
        let mut open = vec![ROOT];
        while let Some(folder) = open.pop() {
            let below: Vec<Node> = self.names(folder).into_iter().flat_map(BTreeMap::values).copied().collect();
            open.extend(below.into_iter().filter(|node| named.insert(*node)));
        }
        self.nodes.retain(|node, _| named.contains(node));
    }
}
