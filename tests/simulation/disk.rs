//! A disk in memory: names and inodes, what of them is durable, and what the power going off leaves.

use ringtail::disk::{Metadata, Space};
use ringtail::sink::faults::Choices;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The folders, by their place in [`Disk::folders`].
pub const COMMITLOG: usize = 0;
/// As above.
pub const CDC_RAW: usize = 1;
/// As above.
pub const SPOOL: usize = 2;
/// As above.
pub const QUARANTINE: usize = 3;
/// As above.
pub const PARKED: usize = 4;
/// As above.
pub const ARCHIVE: usize = 5;

const PATHS: [&str; 6] = ["/node/commitlog", "/node/cdc_raw", "/state/spool", "/state/quarantine", "/state/parked", "/archive"];

/// The path of a folder.
pub fn path(folder: usize) -> PathBuf {
    PATHS[folder].into()
}

type Names = BTreeMap<String, u64>;

/// The disk.
#[derive(Default)]
pub struct Disk {
    /// The names in each folder.
    pub names: [Names; 6],
    /// Those that a power loss leaves.
    pub durable: [Names; 6],
    inodes: BTreeMap<u64, Vec<u8>>,
    /// How often an inode is named.
    links: BTreeMap<u64, u64>,
    /// What the agent has done to names and not synced.
    pending: Vec<Op>,
    next_inode: u64,
    /// Whether some file has lost its last name since somebody last looked.
    pub last_name_gone: bool,
    /// Whether there is no room.
    pub full: bool,
    /// Whether `cdc_raw` is not there.
    pub unmounted: bool,
}

/// A change of names that is not durable yet.
#[derive(Clone, Debug)]
enum Op {
    Link(usize, String, u64),
    Unlink(usize, String, u64),
    Rename((usize, String), (usize, String), u64),
}

impl Op {
    fn touches(&self, folder: usize) -> bool {
        match self {
            Op::Link(of, ..) | Op::Unlink(of, ..) => *of == folder,
            Op::Rename(from, to, _) => from.0 == folder || to.0 == folder,
        }
    }

    fn apply(self, names: &mut [Names; 6]) {
        let mut unlink = |folder: usize, name: &String, inode: u64| {
            if names[folder].get(name) == Some(&inode) {
                names[folder].remove(name);
            }
        };
        match self {
            Op::Unlink(folder, name, inode) => unlink(folder, &name, inode),
            Op::Link(folder, name, inode) => {
                names[folder].insert(name, inode);
            }
            Op::Rename(from, to, inode) => {
                unlink(from.0, &from.1, inode);
                names[to.0].insert(to.1, inode);
            }
        }
    }
}

/// The folder and the name.
pub fn split(path: &Path) -> io::Result<(usize, &str)> {
    let (parent, name) = path.to_str().and_then(|path| path.rsplit_once('/')).ok_or(ErrorKind::NotFound)?;
    let folder = PATHS.iter().position(|known| *known == parent).ok_or(ErrorKind::NotFound)?;
    Ok((folder, name))
}

impl Disk {
    fn find<'p>(&self, path: &'p Path) -> io::Result<(usize, &'p str, u64)> {
        let (folder, name) = split(path)?;
        if folder == CDC_RAW && self.unmounted {
            return Err(ErrorKind::NotFound.into());
        }
        let inode = *self.names[folder].get(name).ok_or(ErrorKind::NotFound)?;
        Ok((folder, name, inode))
    }

    /// The inode of a name.
    pub fn inode(&self, path: &Path) -> io::Result<u64> {
        Ok(self.find(path)?.2)
    }

    /// As the file system tells it.
    pub fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        let inode = self.inode(path)?;
        let length = self.inodes[&inode].len() as u64;
        Ok(Metadata { device: 1, inode, links: self.links(inode), length, modified: None, is_file: true })
    }

    /// The names in a folder.
    pub fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let folder = PATHS.iter().position(|known| folder.as_os_str() == *known).ok_or(ErrorKind::NotFound)?;
        if folder == CDC_RAW && self.unmounted {
            return Err(ErrorKind::NotFound.into());
        }
        Ok(self.names[folder].keys().cloned().collect())
    }

    /// What is in a file.
    pub fn bytes(&self, inode: u64) -> &[u8] {
        &self.inodes[&inode]
    }

    /// What is in a file, to be changed by the node.
    pub fn bytes_mut(&mut self, inode: u64) -> &mut Vec<u8> {
        self.inodes.get_mut(&inode).expect("an inode")
    }

    /// How many names a file has.
    pub fn links(&self, inode: u64) -> u64 {
        self.links.get(&inode).copied().unwrap_or(0)
    }

    fn count(&mut self, inode: u64, by: i64) {
        let links = self.links.entry(inode).or_default();
        *links = links.wrapping_add_signed(by);
        self.last_name_gone |= *links == 0;
    }

    /// The agent gives a file another name.
    pub fn link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let (_, _, inode) = self.find(from)?;
        let (folder, name) = split(to)?;
        if self.names[folder].contains_key(name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        if self.full {
            return Err(ErrorKind::StorageFull.into());
        }
        self.names[folder].insert(name.to_owned(), inode);
        self.count(inode, 1);
        self.pending.push(Op::Link(folder, name.to_owned(), inode));
        Ok(())
    }

    /// The agent moves a name.
    pub fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let (folder, name, inode) = self.find(from)?;
        let to = split(to).map(|(folder, name)| (folder, name.to_owned()))?;
        self.names[folder].remove(name);
        if let Some(replaced) = self.names[to.0].insert(to.1.clone(), inode) {
            self.count(replaced, -1);
        }
        self.pending.push(Op::Rename((folder, name.to_owned()), to, inode));
        Ok(())
    }

    /// The agent removes a name.
    pub fn unlink(&mut self, path: &Path) -> io::Result<()> {
        let (folder, name, inode) = self.find(path)?;
        self.names[folder].remove(name);
        self.count(inode, -1);
        self.pending.push(Op::Unlink(folder, name.to_owned(), inode));
        Ok(())
    }

    /// The agent writes a file and syncs its bytes; the name is not synced.
    pub fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let (folder, name) = split(path)?;
        if self.full {
            return Err(ErrorKind::StorageFull.into());
        }
        if let Some(old) = self.names[folder].remove(name) {
            self.count(old, -1);
        }
        let inode = self.create(bytes.to_vec());
        self.names[folder].insert(name.to_owned(), inode);
        self.count(inode, 1);
        self.pending.push(Op::Link(folder, name.to_owned(), inode));
        Ok(())
    }

    /// Makes the names of a folder durable.
    pub fn sync(&mut self, folder: &Path) -> io::Result<()> {
        let folder = PATHS.iter().position(|known| folder.as_os_str() == *known).ok_or(ErrorKind::NotFound)?;
        if folder == CDC_RAW && self.unmounted {
            return Err(ErrorKind::NotFound.into());
        }
        for op in std::mem::take(&mut self.pending) {
            if op.touches(folder) {
                op.apply(&mut self.durable);
            } else {
                self.pending.push(op);
            }
        }
        Ok(())
    }

    /// What is free.
    pub fn space(&self) -> Space {
        Space { free: if self.full { 0 } else { 1 << 40 }, total: 1 << 41 }
    }

    fn create(&mut self, bytes: Vec<u8>) -> u64 {
        self.next_inode += 1;
        self.inodes.insert(self.next_inode, bytes);
        self.next_inode
    }

    /// The node makes a file.
    pub fn node_creates(&mut self, folder: usize, name: &str, bytes: Vec<u8>) -> u64 {
        let inode = self.create(bytes);
        self.node_links(folder, name, inode);
        inode
    }

    /// The node gives a file a name, which is durable.
    pub fn node_links(&mut self, folder: usize, name: &str, inode: u64) {
        if let Some(old) = self.names[folder].insert(name.to_owned(), inode) {
            self.count(old, -1);
        }
        // What is durable was preceded by all that was done to the name before.
        self.pending.retain(|op| !matches!(op, Op::Link(of, named, _) | Op::Unlink(of, named, _) if *of == folder && named == name));
        self.durable[folder].insert(name.to_owned(), inode);
        self.count(inode, 1);
    }

    /// The node, or somebody else, removes a name, durably.
    pub fn node_unlinks(&mut self, folder: usize, name: &str) -> bool {
        self.durable[folder].remove(name);
        let inode = self.names[folder].remove(name);
        if let Some(inode) = inode {
            self.count(inode, -1);
            self.pending.retain(|op| !matches!(op, Op::Link(of, named, _) if *of == folder && named == name));
        }
        inode.is_some()
    }

    /// The node writes a small file.
    pub fn node_writes(&mut self, folder: usize, name: &str, bytes: &[u8]) {
        match self.names[folder].get(name) {
            Some(inode) => *self.inodes.get_mut(inode).expect("an inode") = bytes.to_vec(),
            None => {
                self.node_creates(folder, name, bytes.to_vec());
            }
        }
    }

    /// The power goes off: of what was not synced some is there and some is not, each operation as a whole.
    pub fn lose_power(&mut self, choices: &mut Choices) {
        let kind = choices.below(3);
        let first = choices.below(self.pending.len() as u64 + 1) as usize;
        for (i, op) in std::mem::take(&mut self.pending).into_iter().enumerate() {
            let survives = match kind {
                0 => false,
                1 => i < first,
                _ => choices.happens(500),
            };
            if survives {
                op.apply(&mut self.durable);
            }
        }
        self.names = self.durable.clone();
        self.links.clear();
        self.last_name_gone = true;
        for inode in self.names.iter().flat_map(Names::values) {
            *self.links.entry(*inode).or_default() += 1;
        }
    }

    /// Whether a power loss leaves this file a name in the folder.
    pub fn is_durable_in(&self, folder: usize, inode: u64) -> bool {
        self.durable[folder].values().any(|known| *known == inode)
    }
}
