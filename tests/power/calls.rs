//! What the kernel asks of the disk, call by call.

use super::disk::{Body, Node};
use super::mount::{Call, Shared};
use super::requests::{BLOCK, attributes, make, remove, rename, resize};
use fuser::{
    BsdFileFlags, Errno, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner, OpenFlags, RenameFlags, ReplyAttr,
    ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

/// Nothing is kept by the kernel: after a cut it would be wrong.
const TTL: Duration = Duration::ZERO;
/// What it pretends to have: 64 GiB.
const BLOCKS: u64 = (64 << 30) / BLOCK as u64;
const NEVER_REUSED: Generation = Generation(0);

/// A folder as it was when it was opened.
type Listing = Vec<(Node, FileType, OsString)>;

/// The file system.
pub struct Calls {
    shared: Shared,
    listings: Mutex<(u64, BTreeMap<u64, Listing>)>,
}

impl Calls {
    /// Answers for this disk.
    pub fn new(shared: Shared) -> Calls {
        Calls { shared, listings: Mutex::default() }
    }

    fn listings(&self) -> std::sync::MutexGuard<'_, (u64, BTreeMap<u64, Listing>)> {
        self.listings.lock().expect("no call panics")
    }
}

/// Whether somebody who is not root can mount.
pub fn has_fusermount() -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|path| path.join("fusermount3").is_file() || path.join("fusermount").is_file())
}

impl Filesystem for Calls {
    fn lookup(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let Some((state, _, reply)) = self.shared.begin(request, None, reply) else { return };
        match state.disk.find(parent.0, name).ok_or(Errno::ENOENT).and_then(|node| attributes(&state.disk, node)) {
            Ok(attributes) => reply.entry(&TTL, &attributes, NEVER_REUSED),
            Err(error) => reply.error(error),
        }
    }

    fn getattr(&self, request: &Request, node: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        let Some((state, _, reply)) = self.shared.begin(request, None, reply) else { return };
        match attributes(&state.disk, node.0) {
            Ok(attributes) => reply.attr(&TTL, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn setattr(
        &self,
        request: &Request,
        node: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        modified: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let call = size.map(|_| Call::Resize);
        let Some((mut state, is_node, reply)) = self.shared.begin(request, call, reply) else { return };
        let resized = size.map_or(Ok(()), |size| resize(&mut state.disk, node.0, size, is_node));
        if let Some(inode) = state.disk.node_mut(node.0) {
            inode.mode = mode.map_or(inode.mode, |mode| (mode & 0o7777) as u16);
            inode.owner = (uid.unwrap_or(inode.owner.0), gid.unwrap_or(inode.owner.1));
            inode.modified = match modified {
                Some(TimeOrNow::SpecificTime(time)) => time,
                Some(TimeOrNow::Now) => SystemTime::now(),
                None => inode.modified,
            };
        }
        match resized.and_then(|()| attributes(&state.disk, node.0)) {
            Ok(attributes) => reply.attr(&TTL, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn mkdir(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, reply: ReplyEntry) {
        let Some((mut state, is_node, reply)) = self.shared.begin(request, Some(Call::Make), reply) else { return };
        match make(&mut state.disk, request, (parent, name), true, mode, is_node) {
            Ok(attributes) => reply.entry(&TTL, &attributes, NEVER_REUSED),
            Err(error) => reply.error(error),
        }
    }

    fn create(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, _: i32, reply: ReplyCreate) {
        let Some((mut state, is_node, reply)) = self.shared.begin(request, Some(Call::Make), reply) else { return };
        match make(&mut state.disk, request, (parent, name), false, mode, is_node) {
            Ok(attributes) => reply.created(&TTL, &attributes, NEVER_REUSED, FileHandle(0), FopenFlags::empty()),
            Err(error) => reply.error(error),
        }
    }

    fn unlink(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let Some((mut state, is_node, reply)) = self.shared.begin(request, Some(Call::Remove), reply) else { return };
        done(remove(&mut state.disk, (parent, name), false, is_node), reply);
    }

    fn rmdir(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let Some((mut state, is_node, reply)) = self.shared.begin(request, Some(Call::Remove), reply) else { return };
        done(remove(&mut state.disk, (parent, name), true, is_node), reply);
    }

    fn rename(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let Some((mut state, is_node, reply)) = self.shared.begin(request, Some(Call::Rename), reply) else { return };
        done(rename(&mut state.disk, (parent.0, name), (new_parent.0, new_name), flags, is_node), reply);
    }

    fn link(&self, request: &Request, node: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let Some((mut state, is_node, reply)) = self.shared.begin(request, Some(Call::Link), reply) else { return };
        let disk = &mut state.disk;
        if disk.find(parent.0, name).is_some() {
            return reply.error(Errno::EEXIST);
        }
        // A number that has lost its last name can get none any more.
        if disk.links(node.0) == 0 {
            return reply.error(Errno::ENOENT);
        }
        disk.link(node.0, parent.0, name);
        if is_node {
            disk.commit_name(parent.0, name);
        }
        match attributes(disk, node.0) {
            Ok(attributes) => reply.entry(&TTL, &attributes, NEVER_REUSED),
            Err(error) => reply.error(error),
        }
    }

    fn read(
        &self,
        request: &Request,
        node: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let Some((state, _, reply)) = self.shared.begin(request, None, reply) else { return };
        match state.disk.node(node.0).map(|inode| &inode.body) {
            Some(Body::File(content)) => {
                let bytes = content.live();
                let from = (offset as usize).min(bytes.len());
                reply.data(&bytes[from..(from + size as usize).min(bytes.len())]);
            }
            _ => reply.error(Errno::EISDIR),
        }
    }

    fn write(
        &self,
        request: &Request,
        node: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let Some((mut state, is_node, reply)) = self.shared.begin(request, Some(Call::Write), reply) else { return };
        let Some(content) = state.disk.content_mut(node.0) else { return reply.error(Errno::EIO) };
        content.write(offset as usize, data);
        if is_node {
            content.sync();
        }
        reply.written(data.len() as u32);
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, request: &Request, node: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let Some((mut state, _, reply)) = self.shared.begin(request, Some(Call::Sync), reply) else { return };
        state.disk.sync(node.0);
        reply.ok();
    }

    fn fsyncdir(&self, request: &Request, node: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let Some((mut state, _, reply)) = self.shared.begin(request, Some(Call::Sync), reply) else { return };
        state.disk.sync(node.0);
        reply.ok();
    }

    fn opendir(&self, request: &Request, node: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let Some((state, _, reply)) = self.shared.begin(request, None, reply) else { return };
        let Some(names) = state.disk.names(node.0) else { return reply.error(Errno::ENOENT) };
        let kind = |node: &Node| if state.disk.names(*node).is_some() { FileType::Directory } else { FileType::RegularFile };
        let dots = [(node.0, FileType::Directory, ".".into()), (node.0, FileType::Directory, "..".into())];
        let listing = dots.into_iter().chain(names.iter().map(|(name, node)| (*node, kind(node), name.clone()))).collect();
        let mut listings = self.listings();
        listings.0 += 1;
        let handle = listings.0;
        listings.1.insert(handle, listing);
        reply.opened(FileHandle(handle), FopenFlags::empty());
    }

    fn readdir(&self, _: &Request, _: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let listings = self.listings();
        let entries = listings.1.get(&handle.0).into_iter().flatten().enumerate().skip(offset as usize);
        for (n, (node, kind, name)) in entries {
            if reply.add(INodeNo(*node), n as u64 + 1, *kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(&self, _: &Request, _: INodeNo, handle: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.listings().1.remove(&handle.0);
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        reply.statfs(BLOCKS, BLOCKS, BLOCKS, 1 << 20, 1 << 20, BLOCK, 255, BLOCK);
    }
}

fn done(result: Result<(), Errno>, reply: ReplyEmpty) {
    match result {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}
