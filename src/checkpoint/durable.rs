//! The ledger's two copies, and what happens when one of them is not what it should be.
//!
//! What each call promises:
//!
//! | call | promise |
//! |---|---|
//! | [`DurableStore::open`] | what it returns was durable before, in one copy or both, and is durable in both when it returns. Never less than what the last [`CheckpointStore::save`] that returned had written |
//! | [`CheckpointStore::save`] | all of the batch or nothing; when it returns, both copies are on disk: sled flushed and its data file fsynced, then the shadow fsynced |
//! | reads | what the last save wrote |
//!
//! What opening does:
//!
//! | sled | shadow | then |
//! |---|---|---|
//! | whole, as new as the shadow and equal, or newer | any | sled counts; a shadow that is missing, damaged or older is written anew |
//! | does not open, holds damage, is older, or differs | whole | the folder `db` is moved aside under a new name and made again out of the shadow |
//! | empty | whole | made again out of the shadow |
//! | empty or damaged | missing or damaged | a folder that was never used begins anew; one that was is refused ([`StoreError::Gone`], exit code 70) |
//!
//! The shadow costs a second fsync per save: on a busy virtual machine with ext4 1.5 to 3.6 ms per save without it, 2.4 to 7 ms with it
//! (a thousand saves each, of 1, 16 and 512 unfinished segments), at ten saves a second.
//!
//! sled is opened and read in a thread of its own: on damaged files it does not only answer with errors, it also panics. What the
//! machine is to blame for (no permission, no space, too many open files) is an error and moves nothing aside.

use super::record::{SegmentKey, SegmentRecord};
use super::shadow::{self, Found, Image, Shadow};
use super::sled::SledStore;
use super::state_dir::{StateDir, StateError};
use super::store::{Batch, CheckpointStore, StoreError};
use crate::position::SegmentId;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The ledger in sled, and its shadow.
#[derive(Debug)]
pub struct DurableStore {
    /// There until it is dropped.
    sled: Option<SledStore>,
    shadow: Shadow,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// A folder that was never used.
    New,
    /// The same, and what a first start that was interrupted has left does not open.
    NewAfterCrash {
        /// Why.
        why: String,
        /// Where it is.
        aside: Option<PathBuf>,
    },
    /// Both copies as they should be.
    Whole,
    /// The shadow was written anew; why.
    ShadowRenewed(String),
    /// sled was made again out of the shadow.
    Rebuilt {
        /// Why.
        why: String,
        /// Where the old one is, if there was any.
        aside: Option<PathBuf>,
    },
}

/// How sled was found.
enum Sled {
    Empty(SledStore),
    Whole { store: SledStore, sequence: u64, image: Image },
    Broken(String),
}

impl DurableStore {
    /// Opens both copies, or makes the one out of the other.
    ///
    /// # Errors
    /// [`StoreError::Gone`] if neither can be read in a folder that was used; [`StoreError::NewerRecord`] after a downgrade; the
    /// machine's.
    pub fn open(state: &StateDir) -> Result<(DurableStore, Opened), StoreError> {
        let used = state.is_used().map_err(state_error)?;
        let found = shadow::read(&state.shadow())?;
        let (store, opened) = match (open_sled(&state.db())?, found) {
            (Sled::Whole { store, sequence, image }, found) => match compare(sequence, &image, found) {
                Compared::Equal => {
                    let shadow = Shadow::create(&state.shadow(), sequence, image)?;
                    (DurableStore { sled: Some(store), shadow }, Opened::Whole)
                }
                Compared::ShadowBehind(why) => {
                    let shadow = Shadow::create(&state.shadow(), sequence, image)?;
                    (DurableStore { sled: Some(store), shadow }, Opened::ShadowRenewed(why))
                }
                Compared::SledBehind(why, sequence, image) => {
                    drop(store);
                    rebuild(state, why, sequence, image)?
                }
            },
            (Sled::Broken(why), Found::Valid { sequence, image }) => rebuild(state, why, sequence, image)?,
            // A run that never had anything to save.
            (Sled::Empty(store), Found::Valid { sequence: 0, image }) if image == Image::default() => {
                let shadow = Shadow::create(&state.shadow(), 0, image)?;
                (DurableStore { sled: Some(store), shadow }, Opened::Whole)
            }
            (Sled::Empty(store), Found::Valid { sequence, image }) => {
                drop(store);
                fill(state, "db was empty".into(), None, sequence, image)?
            }
            (Sled::Empty(store), Found::Missing | Found::Unusable(_)) if !used => {
                let shadow = Shadow::create(&state.shadow(), 0, Image::default())?;
                (DurableStore { sled: Some(store), shadow }, Opened::New)
            }
            (Sled::Broken(why), Found::Missing | Found::Unusable(_)) if !used => {
                let aside = move_aside(state, &state.db())?;
                let (store, _) = fill(state, String::new(), None, 0, Image::default())?;
                (store, Opened::NewAfterCrash { why, aside })
            }
            (sled, found) => return Err(gone(state, sled, found)),
        };
        state.mark_used().map_err(state_error)?;
        Ok((store, opened))
    }

    /// Begins a ledger without anything in it, because somebody has decided to: what is there is moved aside, nothing is removed.
    ///
    /// # Errors
    /// The machine's.
    pub fn begin_anew(state: &StateDir) -> Result<(DurableStore, Option<PathBuf>), StoreError> {
        let aside = move_aside(state, &state.db())?;
        let moved = move_aside(state, &state.shadow())?;
        let (store, _) = fill(state, String::new(), None, 0, Image::default())?;
        state.mark_used().map_err(state_error)?;
        Ok((store, aside.or(moved)))
    }

    /// Reads beside the thread that owns the store.
    pub fn reader(&self) -> super::reader::Reader {
        self.sled().reader()
    }

    fn sled(&self) -> &SledStore {
        self.sled.as_ref().expect("the store is there until it is dropped")
    }
}

impl Drop for DurableStore {
    /// sled syncs once more when it is dropped, and panics if that fails. Everything that counts was synced by the last save.
    fn drop(&mut self) {
        let sled = self.sled.take();
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(sled))).is_err() {
            tracing::warn!("the ledger's store could not be closed; what was saved before is on disk");
        }
    }
}

impl CheckpointStore for DurableStore {
    fn visit(&self, visitor: &mut dyn FnMut(SegmentKey, SegmentRecord) -> ControlFlow<()>) -> Result<(), StoreError> {
        self.sled().visit(visitor)
    }

    fn get(&self, key: SegmentKey) -> Result<Option<SegmentRecord>, StoreError> {
        self.sled().get(key)
    }

    fn newest(&self, id: SegmentId) -> Result<Option<(SegmentKey, SegmentRecord)>, StoreError> {
        self.sled().newest(id)
    }

    fn meta(&self) -> Result<BTreeMap<String, serde_json::Value>, StoreError> {
        self.sled().meta()
    }

    fn save(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let batch = batch.encode()?;
        // sled first: a shadow that is one save behind is known by its number and written anew. The other way round the shadow would
        // be the newer one, and sled moved aside after every crash between the two.
        let sled = self.sled.as_mut().expect("the store is there until it is dropped");
        let sequence = sled.save_encoded(&batch)?;
        self.shadow.save(sequence, &batch)
    }
}

enum Compared {
    Equal,
    ShadowBehind(String),
    SledBehind(String, u64, Image),
}

fn compare(sequence: u64, image: &Image, found: Found) -> Compared {
    match found {
        Found::Missing => Compared::ShadowBehind("it was missing".into()),
        Found::Unusable(why) => Compared::ShadowBehind(why),
        // A crash between the two writes.
        Found::Valid { sequence: behind, .. } if behind + 1 == sequence => Compared::Equal,
        Found::Valid { sequence: behind, .. } if behind < sequence => {
            Compared::ShadowBehind(format!("it was of save {behind}, the ledger is of save {sequence}"))
        }
        Found::Valid { sequence: ahead, image: newer } if ahead > sequence => {
            Compared::SledBehind(format!("db is of save {sequence}, its shadow of save {ahead}"), ahead, newer)
        }
        Found::Valid { image: other, .. } if other != *image => {
            Compared::SledBehind(format!("db and its shadow are both of save {sequence} and differ"), sequence, other)
        }
        Found::Valid { .. } => Compared::Equal,
    }
}

fn gone(state: &StateDir, sled: Sled, found: Found) -> StoreError {
    StoreError::Gone {
        place: state.path().display().to_string(),
        store: match sled {
            Sled::Broken(why) => why,
            Sled::Empty(_) | Sled::Whole { .. } => "db is empty or missing".into(),
        },
        shadow: match found {
            Found::Unusable(why) => format!("shadow is of no use: {why}"),
            Found::Missing | Found::Valid { .. } => "shadow is missing".into(),
        },
    }
}

/// Opens sled and reads all of it.
fn open_sled(dir: &Path) -> Result<Sled, StoreError> {
    let (folder, name) = (dir.to_owned(), "ledger".to_owned());
    let attempt = move || -> Result<Sled, StoreError> {
        let store = SledStore::open(&folder)?;
        let sequence = store.sequence()?;
        let mut image = Image::default();
        for (key, value) in store.raw_live()? {
            image.segments.insert(key, value);
        }
        store.meta()?;
        image.meta.extend(store.raw_meta()?);
        let is_empty = sequence == 0 && image == Image::default();
        Ok(if is_empty { Sled::Empty(store) } else { Sled::Whole { store, sequence, image } })
    };
    let spawned = std::thread::Builder::new().name(name).spawn(attempt);
    let spawned = spawned.map_err(|source| StoreError::Io { action: "open", place: dir.display().to_string(), source })?;
    match spawned.join() {
        Ok(Err(error)) if is_damage(&error) => Ok(Sled::Broken(chain(&error))),
        Ok(opened) => opened,
        Err(_) => Ok(Sled::Broken("the store panicked when it was opened".into())),
    }
}

/// Whether the bytes are to blame, and not the machine.
fn is_damage(error: &StoreError) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, IsADirectory, NotADirectory, NotFound, UnexpectedEof};
    let is_content =
        |error: &io::Error| matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof | NotFound | IsADirectory | NotADirectory);
    match error {
        StoreError::Damaged { .. } | StoreError::Key(_) => true,
        StoreError::Sled { source: ::sled::Error::Io(error), .. } => is_content(error),
        StoreError::Sled { .. } => true,
        StoreError::Io { source, .. } => is_content(source),
        StoreError::NewerRecord { .. } | StoreError::Gone { .. } | StoreError::Encode { .. } => false,
    }
}

fn rebuild(state: &StateDir, why: String, sequence: u64, image: Image) -> Result<(DurableStore, Opened), StoreError> {
    let aside = move_aside(state, &state.db())?;
    fill(state, why, aside, sequence, image)
}

/// Makes both copies out of an image. A crash in between leaves an empty store and the shadow: it is done again.
fn fill(state: &StateDir, why: String, aside: Option<PathBuf>, sequence: u64, image: Image) -> Result<(DurableStore, Opened), StoreError> {
    let db = state.db();
    fs::create_dir_all(&db).map_err(|source| StoreError::Io { action: "create", place: db.display().to_string(), source })?;
    let mut sled = SledStore::open(&db)?;
    sled.set_sequence(sequence.saturating_sub(1))?;
    let sequence = sled.save_encoded(&image.to_batch())?;
    let shadow = Shadow::create(&state.shadow(), sequence, image)?;
    Ok((DurableStore { sled: Some(sled), shadow }, Opened::Rebuilt { why, aside }))
}

/// Renames what cannot be read, for somebody to look at; never removes it.
fn move_aside(state: &StateDir, path: &Path) -> Result<Option<PathBuf>, StoreError> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = state.path().join(format!("{name}.broken-{}", now.as_millis()));
    let failed = |source| StoreError::Io { action: "move aside", place: path.display().to_string(), source };
    match fs::rename(path, &aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        renamed => renamed.map_err(failed)?,
    }
    File::open(state.path()).and_then(|folder| folder.sync_all()).map_err(failed)?;
    Ok(Some(aside))
}

fn chain(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

fn state_error(error: StateError) -> StoreError {
    match error {
        StateError::Io { action, path, source } => StoreError::Io { action, place: path.display().to_string(), source },
        other => StoreError::Io { action: "look at", place: "the state folder".into(), source: io::Error::other(other.to_string()) },
    }
}
