//! Records as lines in a file that survives crashes: whole lines only, reported once they are on the disk.

use super::line::Lines;
use super::{DeliveryReport, SendError, Sink, SinkError};
use crate::envelope::Record;
use crate::progress::Ticket;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// The longest line that recovery reads into memory; what follows a longer one is cut off as torn.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// Appends one JSON object a line to a file and reports what has been synced.
///
/// The file is held under an exclusive lock. [`Sink::state`] is what the next [`FileSink::open`] needs to cut off
/// a line that a crash tore.
#[derive(Debug)]
pub struct FileSink {
    name: String,
    file: File,
    lines: Lines,
    state: State,
}

/// What the checkpoint remembers: which file, and how much of it is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    device: u64,
    inode: u64,
    /// Bytes from the file's start, a whole number of lines.
    synced_length: u64,
}

impl FileSink {
    /// Opens `path` for appending, or makes it.
    ///
    /// `previous_state` is what [`Sink::state`] said when the checkpoint was saved. If it is this file and at
    /// least that long, the whole valid lines behind that length are kept and the rest is cut off. Otherwise
    /// nothing is cut off: lines are appended, with a warning if there was a state.
    ///
    /// # Errors
    /// [`SinkError::Locked`] if another process has the file, [`SinkError::Io`] if it cannot be opened, read or
    /// cut, or is not a regular file.
    pub fn open(path: &Path, previous_state: Option<&serde_json::Value>) -> Result<FileSink, SinkError> {
        let name = path.display().to_string();
        let failed = |source| SinkError::Io { what: name.clone(), source };
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SinkError::Locked(name)),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let state = recover(&mut file, previous_state, &name).map_err(failed)?;
        sync_folder(path).map_err(failed)?;
        Ok(FileSink { name, file, lines: Lines::default(), state })
    }
}

/// Brings the file to a whole number of lines and syncs it.
fn recover(file: &mut File, previous_state: Option<&serde_json::Value>, name: &str) -> io::Result<State> {
    let metadata = file.metadata()?;
    let (device, inode, length) = (metadata.dev(), metadata.ino(), metadata.len());
    // A state we cannot read says as little about this file as one of another file.
    let previous = previous_state.map(|state| State::deserialize(state).ok());
    let synced_length = match previous.flatten() {
        Some(state) if (state.device, state.inode) == (device, inode) && state.synced_length <= length => {
            let end = end_of_whole_lines(file, state.synced_length)?;
            if end < length {
                tracing::info!(file = name, bytes = length - end, "cut off a line that was not written to its end");
                file.set_len(end)?;
            }
            end
        }
        _ => {
            if previous.is_some() {
                tracing::warn!(file = name, length, "not the file of the checkpoint, or shorter than it was; appending to it");
            }
            end_last_line(file, length)?
        }
    };
    file.sync_all()?;
    Ok(State { device, inode, synced_length })
}

/// Where the whole valid lines that begin at `from` end.
fn end_of_whole_lines(file: &mut File, from: u64) -> io::Result<u64> {
    file.seek(SeekFrom::Start(from))?;
    let mut reader = BufReader::new(file);
    let mut end = from;
    let mut line = Vec::new();
    loop {
        line.clear();
        let bytes = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        let whole = line.last() == Some(&b'\n') && serde_json::from_slice::<serde::de::IgnoredAny>(&line).is_ok();
        if !whole {
            return Ok(end);
        }
        end += bytes as u64;
    }
}

/// Ends somebody else's unfinished last line, so that ours begins on its own; answers the new length.
fn end_last_line(file: &mut File, length: u64) -> io::Result<u64> {
    if length == 0 {
        return Ok(0);
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(length - 1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" {
        return Ok(length);
    }
    file.write_all(b"\n")?;
    Ok(length + 1)
}

/// Makes the file's name as durable as its lines.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

impl Sink for FileSink {
    fn send(&mut self, record: &Record, ticket: Ticket) -> Result<(), SendError> {
        if self.lines.push(record, ticket) { Ok(()) } else { Err(SendError::Full) }
    }

    fn poll(&mut self, wait: Duration, reports: &mut Vec<DeliveryReport>) -> Result<(), SinkError> {
        if self.lines.is_empty() {
            std::thread::sleep(wait);
            return Ok(());
        }
        self.file
            .write_all(self.lines.bytes())
            .and_then(|()| self.file.sync_data())
            .map_err(|source| SinkError::Io { what: self.name.clone(), source })?;
        self.state.synced_length += self.lines.bytes().len() as u64;
        reports.extend(self.lines.written().map(|ticket| DeliveryReport { ticket, result: Ok(()) }));
        Ok(())
    }

    fn reset(&mut self) -> Result<(), SinkError> {
        self.lines.clear();
        Ok(())
    }

    fn state(&self) -> Option<serde_json::Value> {
        serde_json::to_value(self.state).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::PartitionBy;
    use std::fs;
    use std::path::PathBuf;

    fn record(key: &str) -> Record {
        Record {
            topic: "t".into(),
            key: key.into(),
            value: None,
            headers: Vec::new(),
            timestamp: None,
            partition_key: Vec::new(),
            partition_by: PartitionBy::RecordKey,
        }
    }

    fn write(sink: &mut FileSink, keys: &[&str]) -> usize {
        let mut reports = Vec::new();
        for (n, key) in keys.iter().enumerate() {
            sink.send(&record(key), Ticket(n as u64)).unwrap();
        }
        sink.poll(Duration::ZERO, &mut reports).unwrap();
        reports.len()
    }

    fn append(path: &Path, text: &str) {
        OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// A file with two synced lines and the state that says so.
    fn two_lines(folder: &tempfile::TempDir) -> (PathBuf, serde_json::Value) {
        let path = folder.path().join("events.jsonl");
        let mut sink = FileSink::open(&path, None).unwrap();
        assert_eq!(write(&mut sink, &["1", "2"]), 2);
        (path, sink.state().unwrap())
    }

    #[test]
    fn state_names_the_file_and_its_synced_length() {
        let folder = tempfile::tempdir().unwrap();

        let (path, state) = two_lines(&folder);

        let metadata = fs::metadata(path).unwrap();
        assert_eq!(state, serde_json::json!({"device": metadata.dev(), "inode": metadata.ino(), "synced_length": metadata.len()}));
    }

    #[test]
    fn torn_last_line_goes_and_whole_lines_behind_the_checkpoint_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (path, state) = two_lines(&folder);
        append(&path, "{\"whole\":1}\n{\"torn\":");

        let mut sink = FileSink::open(&path, Some(&state)).unwrap();
        write(&mut sink, &["3"]);

        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[2], "{\"whole\":1}");
        assert!(lines[3].contains("\"key\":3"), "{text}");
        assert_eq!(sink.state().unwrap()["synced_length"], text.len());
    }

    #[test]
    fn line_of_zeros_behind_the_checkpoint_goes() {
        let folder = tempfile::tempdir().unwrap();
        let (path, state) = two_lines(&folder);
        let length = fs::metadata(&path).unwrap().len();
        append(&path, "\0\0\0\0\n{}\n");

        let sink = FileSink::open(&path, Some(&state)).unwrap();

        assert_eq!(fs::metadata(&path).unwrap().len(), length);
        assert_eq!(sink.state().unwrap(), state);
    }

    #[test]
    fn other_inode_is_appended_to_on_a_line_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let (path, state) = two_lines(&folder);
        // The old file stays, or its inode could be used again.
        fs::rename(&path, folder.path().join("rotated")).unwrap();
        fs::write(&path, "not ours, no line feed").unwrap();

        let mut sink = FileSink::open(&path, Some(&state)).unwrap();
        write(&mut sink, &["3"]);

        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("not ours, no line feed\n{"), "{text}");
        assert_eq!(sink.state().unwrap()["synced_length"], text.len());
    }

    #[test]
    fn shorter_file_is_appended_to() {
        let folder = tempfile::tempdir().unwrap();
        let (path, state) = two_lines(&folder);
        let first_line = fs::read_to_string(&path).unwrap().find('\n').unwrap() as u64 + 1;
        File::options().write(true).open(&path).unwrap().set_len(first_line).unwrap();

        let mut sink = FileSink::open(&path, Some(&state)).unwrap();
        write(&mut sink, &["3"]);

        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
    }

    #[test]
    fn state_that_is_not_one_cuts_nothing_off() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _) = two_lines(&folder);
        append(&path, "torn");

        FileSink::open(&path, Some(&serde_json::json!({"inode": "?"}))).unwrap();

        assert!(fs::read_to_string(&path).unwrap().ends_with("torn\n"));
    }

    #[test]
    fn second_holder_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let _first = FileSink::open(&path, None).unwrap();

        let error = FileSink::open(&path, None).unwrap_err();

        assert_eq!(error.to_string(), format!("{} is locked by another process", path.display()));
    }

    #[test]
    fn folder_or_device_is_refused() {
        let folder = tempfile::tempdir().unwrap();

        assert!(FileSink::open(folder.path(), None).is_err());
        assert!(FileSink::open(Path::new("/dev/null"), None).is_err());
    }

    #[test]
    fn full_disk_ends_the_sink_without_a_report() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = FileSink::open(&folder.path().join("events.jsonl"), None).unwrap();
        // Every write to it fails with ENOSPC.
        sink.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let before = sink.state();
        let mut reports = Vec::new();

        sink.send(&record("1"), Ticket(1)).unwrap();
        let error = sink.poll(Duration::ZERO, &mut reports).unwrap_err();

        assert!(matches!(error, SinkError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull));
        assert!(reports.is_empty());
        assert_eq!(sink.state(), before);
    }
}
