//! Wakes the reader when something in `cdc_raw` changes. The periodic look stays: events are a hint, never the truth.

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError};

/// A watch on `cdc_raw`, not on folders in it.
///
/// Network and some container file systems send no events, and a node may make the folder later, or anew: then only the periodic
/// look sees changes, until [`Watch::renew`] succeeds.
#[derive(Debug)]
pub struct Watch {
    folder: PathBuf,
    wake: SyncSender<()>,
    watching: Option<(RecommendedWatcher, u64)>,
    warned: bool,
}

impl Watch {
    /// Watches. `wake` should hold one message: many changes are one reason to look.
    pub fn start(folder: &Path, wake: SyncSender<()>) -> Watch {
        let mut watch = Watch { folder: folder.to_owned(), wake, watching: None, warned: false };
        watch.renew();
        watch
    }

    /// Makes the watch if there is none, or if the folder is another one by now. To be called with each periodic look.
    pub fn renew(&mut self) {
        let inode = fs::metadata(&self.folder).map(|metadata| metadata.ino());
        match (&self.watching, &inode) {
            (Some((_, watched)), Ok(inode)) if watched == inode => return,
            _ => self.watching = None,
        }
        // A missing folder is waited for, and said elsewhere.
        let Ok(inode) = inode else { return };
        match watch(&self.folder, self.wake.clone()) {
            Ok(watcher) => {
                self.watching = Some((watcher, inode));
                self.warned = false;
                // What happened before the watch was there caused no event.
                wake(&self.wake);
            }
            Err(error) if !self.warned => {
                self.warned = true;
                tracing::warn!(folder = %self.folder.display(), %error, "cannot watch the folder; changes are seen by the periodic look only");
            }
            Err(_) => {}
        }
    }

    /// Whether events come.
    pub fn is_watching(&self) -> bool {
        self.watching.is_some()
    }
}

fn watch(folder: &Path, to: SyncSender<()>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // An error means that events may be missing: look.
        if event.map_or(true, |event| is_news(&event)) {
            wake(&to);
        }
    })?;
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

/// One message waiting is enough; nobody waiting is no error.
fn wake(to: &SyncSender<()>) {
    match to.try_send(()) {
        Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
    }
}

/// Our own reading opens and closes files, and our links change their metadata: neither is news.
fn is_news(event: &Event) -> bool {
    event.need_rescan()
        || match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
            EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_)) => false,
            EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => true,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{CreateKind, Flag};
    use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
    use std::time::Duration;

    fn woken(receiver: &Receiver<()>) -> bool {
        receiver.recv_timeout(Duration::from_secs(5)) == Ok(())
    }

    /// Takes what is still under way.
    fn quiet(receiver: &Receiver<()>) -> bool {
        receiver.recv_timeout(Duration::from_millis(200)) == Err(RecvTimeoutError::Timeout)
    }

    #[test]
    fn a_link_an_index_and_a_removal_wake() {
        let dir = tempfile::tempdir().unwrap();
        let (cdc_raw, commitlog) = (dir.path().join("cdc_raw"), dir.path().join("log"));
        fs::create_dir(&cdc_raw).unwrap();
        fs::write(&commitlog, b"x").unwrap();
        let (wake, receiver) = sync_channel(1);
        let watch = Watch::start(&cdc_raw, wake);
        assert!(watch.is_watching());
        assert!(woken(&receiver), "at the start");

        fs::hard_link(&commitlog, cdc_raw.join("CommitLog-7-1.log")).unwrap();
        assert!(woken(&receiver));
        fs::write(cdc_raw.join("CommitLog-7-1_cdc.idx"), b"52657").unwrap();
        assert!(woken(&receiver));
        while !quiet(&receiver) {}

        fs::read(cdc_raw.join("CommitLog-7-1.log")).unwrap();
        fs::hard_link(cdc_raw.join("CommitLog-7-1.log"), dir.path().join("spooled")).unwrap();
        assert!(quiet(&receiver), "our own reading and linking is no news");

        fs::remove_file(cdc_raw.join("CommitLog-7-1.log")).unwrap();
        assert!(woken(&receiver));
    }

    #[test]
    fn a_folder_that_comes_later_or_anew_is_watched_then() {
        let dir = tempfile::tempdir().unwrap();
        let cdc_raw = dir.path().join("cdc_raw");
        let (wake, receiver) = sync_channel(1);
        let mut watch = Watch::start(&cdc_raw, wake);
        assert!(!watch.is_watching());

        fs::create_dir(&cdc_raw).unwrap();
        watch.renew();
        assert!(watch.is_watching() && woken(&receiver));

        fs::rename(&cdc_raw, dir.path().join("old")).unwrap();
        fs::create_dir(&cdc_raw).unwrap();
        watch.renew();
        while !quiet(&receiver) {}
        fs::write(cdc_raw.join("CommitLog-7-1.log"), b"x").unwrap();
        assert!(woken(&receiver));
    }

    #[test]
    fn an_overflow_wakes() {
        assert!(is_news(&Event::new(EventKind::Other).set_flag(Flag::Rescan)));
        assert!(is_news(&Event::new(EventKind::Create(CreateKind::File))));
        assert!(!is_news(&Event::new(EventKind::Access(AccessKind::Open(AccessMode::Any)))));
    }
}
