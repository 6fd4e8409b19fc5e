//! The socket's path in the file system: its folder, its lock, and an existing file.

use std::fs::{self, DirBuilder, OpenOptions, TryLockError};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _,
};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nix::unistd::geteuid;

use super::super::Access;
use super::Error;
use crate::lock_file::{HeldLock, LockHolder};
use crate::paths;

/// Creates the folder, and checks that no other user can have created files in it.
pub(super) fn prepare_folder(folder: &Path, access: Access) -> Result<(), Error> {
    let unusable = |why: String| Error::Unusable {
        path: folder.to_owned(),
        why,
    };
    let mode = if access == Access::System {
        0o755
    } else {
        0o700
    };
    let made = DirBuilder::new().recursive(true).mode(mode).create(folder);
    made.map_err(|error| unusable(error.to_string()))?;
    check_folder(folder)
}

/// Checks that no other user can have created files in the folder, or can have
/// replaced it.
fn check_folder(folder: &Path) -> Result<(), Error> {
    let unusable = |why: String| Error::Unusable {
        path: folder.to_owned(),
        why,
    };
    let failed = |error: io::Error| unusable(error.to_string());
    // Both the owner of a link and the owner of its target matter.
    let link = fs::symlink_metadata(folder).map_err(failed)?;
    let target = fs::metadata(folder).map_err(failed)?;
    for metadata in [&link, &target] {
        if !is_ours(metadata) {
            let uid = metadata.uid();
            return Err(unusable(format!("its folder belongs to uid {uid}")));
        }
    }
    let parent = folder.parent().map_or(Ok(None), |parent| {
        fs::metadata(parent).map(|metadata| Some((parent, metadata)))
    });
    let above = parent.map_err(failed)?;
    let all = [Some((folder, target)), above];
    for (path, metadata) in all.into_iter().flatten() {
        // In a sticky folder such as /tmp users cannot replace each other's files.
        let (mode, is_sticky) = (metadata.mode() & 0o777, metadata.mode() & 0o1000 != 0);
        // The parent may be writable for its group: many systems give each user a
        // group of their own.
        let others = if path == folder { 0o022 } else { 0o002 };
        if mode & others != 0 && !is_sticky {
            return Err(unusable(format!(
                "others can write into {path} (mode {mode:03o}); run: chmod go-w {path}",
                path = path.display()
            )));
        }
    }
    Ok(())
}

/// Whether a file belongs to this user or to root.
fn is_ours(metadata: &fs::Metadata) -> bool {
    metadata.uid() == geteuid().as_raw() || metadata.uid() == 0
}

/// Checks that only users who are served can connect to an inherited socket, and
/// that no other user can have created it. systemd creates sockets with mode 0666
/// unless the unit sets another one. Connecting requires write permission (unix(7)).
pub(super) fn check_inherited(path: &Path, access: Access) -> Result<(), Error> {
    let unusable = |why: String| Error::Unusable {
        path: path.to_owned(),
        why,
    };
    check_folder(path.parent().unwrap_or(Path::new("/")))?;
    let metadata = fs::symlink_metadata(path).map_err(|error| unusable(error.to_string()))?;
    if !metadata.file_type().is_socket() || !is_ours(&metadata) {
        return Err(unusable("another file has its path".to_owned()));
    }
    let mode = metadata.mode() & 0o777;
    match access {
        Access::User(_) if mode & 0o022 != 0 => Err(unusable(format!(
            "others may connect to it (mode {mode:03o}); set SocketMode=0600 in its unit"
        ))),
        Access::System if mode & 0o222 != 0o222 => {
            tracing::warn!(
                mode = format!("{mode:03o}"),
                "some users cannot connect to the socket; set SocketMode=0666 in its unit"
            );
            Ok(())
        }
        _ => Ok(()),
    }
}

pub(super) fn take_lock(path: &Path) -> Result<HeldLock, Error> {
    let unusable = |error: io::Error| Error::Unusable {
        path: path.to_owned(),
        why: error.to_string(),
    };
    let lock_path = paths::socket_lock(path);
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(&lock_path)
        .map_err(unusable)?;
    // In a shared folder another user may have created and locked it.
    if !is_ours(&lock.metadata().map_err(unusable)?) {
        return Err(unusable(io::Error::other(
            "its lock file belongs to another user",
        )));
    }
    match lock.try_lock() {
        Ok(()) => HeldLock::new(lock).map_err(unusable),
        Err(TryLockError::WouldBlock) => Err(Error::InUse {
            path: path.to_owned(),
            holder: LockHolder::read(&lock_path),
        }),
        Err(TryLockError::Error(error)) => Err(unusable(error)),
    }
}

/// Whether a process listens on `path`. Does not wait if its queue is full.
fn is_listened_on(path: &Path) -> bool {
    let socket = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::empty(),
        None,
    );
    let (Ok(socket), Ok(address)) = (socket, UnixAddr::new(path)) else {
        return false;
    };
    if fcntl(&socket, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).is_err() {
        return false;
    }
    let connected = connect(socket.as_raw_fd(), &address);
    matches!(connected, Ok(()) | Err(Errno::EAGAIN))
}

/// Removes the socket of a daemon that has ended. This process holds the lock, but
/// a daemon whose lock file was deleted may still listen, so that is checked too.
pub(super) fn remove_stale(path: &Path) -> Result<(), Error> {
    let unusable = |why: String| Error::Unusable {
        path: path.to_owned(),
        why,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unusable(error.to_string())),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            Err(unusable("it exists and is not a socket".to_owned()))
        }
        Ok(_) if is_listened_on(path) => Err(Error::InUse {
            path: path.to_owned(),
            holder: LockHolder::default(),
        }),
        Ok(_) => fs::remove_file(path).map_err(|error| unusable(error.to_string())),
    }
}
