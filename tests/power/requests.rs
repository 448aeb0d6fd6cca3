//! What the kernel asks for, done to the disk or refused.

use super::disk::{Body, Disk, Node};
use fuser::{Errno, FileAttr, FileType, INodeNo, RenameFlags, Request};
use std::ffi::OsStr;

/// What the kernel is told about block sizes.
pub const BLOCK: u32 = 4096;

/// What `stat` shows.
pub fn attributes(disk: &Disk, node: Node) -> Result<FileAttr, Errno> {
    let inode = disk.node(node).ok_or(Errno::ENOENT)?;
    let (kind, size) = match &inode.body {
        Body::File(content) => (FileType::RegularFile, content.live().len() as u64),
        Body::Folder { .. } => (FileType::Directory, u64::from(BLOCK)),
    };
    let time = inode.modified;
    Ok(FileAttr {
        ino: INodeNo(node),
        size,
        blocks: size.div_ceil(512),
        atime: time,
        mtime: time,
        ctime: time,
        crtime: time,
        kind,
        perm: inode.mode,
        nlink: disk.links(node),
        uid: inode.owner.0,
        gid: inode.owner.1,
        rdev: 0,
        blksize: BLOCK,
        flags: 0,
    })
}

/// Makes something under a name that is free; what the node does is durable at once.
pub fn make(
    disk: &mut Disk,
    request: &Request,
    place: (INodeNo, &OsStr),
    is_folder: bool,
    mode: u32,
    is_node: bool,
) -> Result<FileAttr, Errno> {
    let (INodeNo(folder), name) = place;
    disk.names(folder).ok_or(Errno::ENOENT)?;
    if disk.find(folder, name).is_some() {
        return Err(Errno::EEXIST);
    }
    let node = disk.make(folder, name, is_folder, (mode & 0o7777) as u16, (request.uid(), request.gid()));
    if is_node {
        disk.commit_name(folder, name);
    }
    attributes(disk, node)
}

/// Removes a file's name or an empty folder.
pub fn remove(disk: &mut Disk, (INodeNo(folder), name): (INodeNo, &OsStr), is_folder: bool, is_node: bool) -> Result<(), Errno> {
    let node = disk.find(folder, name).ok_or(Errno::ENOENT)?;
    match (disk.names(node), is_folder) {
        (Some(names), true) if !names.is_empty() => return Err(Errno::ENOTEMPTY),
        (None, true) => return Err(Errno::ENOTDIR),
        (Some(_), false) => return Err(Errno::EISDIR),
        _ => {}
    }
    disk.remove(folder, name);
    if is_node {
        disk.commit_name(folder, name);
    }
    Ok(())
}

/// Renames, over what may be renamed over.
pub fn rename(disk: &mut Disk, from: (Node, &OsStr), to: (Node, &OsStr), flags: RenameFlags, is_node: bool) -> Result<(), Errno> {
    let node = disk.find(from.0, from.1).ok_or(Errno::ENOENT)?;
    let target = disk.find(to.0, to.1);
    if !(flags - RenameFlags::RENAME_NOREPLACE).is_empty() {
        return Err(Errno::EINVAL);
    }
    match target {
        Some(_) if flags.contains(RenameFlags::RENAME_NOREPLACE) => return Err(Errno::EEXIST),
        Some(same) if same == node => return Ok(()),
        Some(target) => match (disk.names(node), disk.names(target)) {
            (None, Some(_)) => return Err(Errno::EISDIR),
            (Some(_), None) => return Err(Errno::ENOTDIR),
            (_, Some(names)) if !names.is_empty() => return Err(Errno::ENOTEMPTY),
            _ => {}
        },
        None => {}
    }
    disk.rename(from, to, node);
    if is_node {
        disk.commit_name(to.0, to.1);
    }
    Ok(())
}

/// Makes a file shorter or longer.
pub fn resize(disk: &mut Disk, node: Node, size: u64, is_node: bool) -> Result<(), Errno> {
    let content = disk.content_mut(node).ok_or(Errno::EISDIR)?;
    content.resize(size as usize);
    if is_node {
        content.sync();
    }
    Ok(())
}
