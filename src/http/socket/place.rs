//! The socket's place in the file system: its folder, its lock, and what lies
//! there already.

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

/// Makes the folder, or checks that nobody else could have put something into
/// the one that is there.
pub(super) fn prepare_folder(folder: &Path, access: Access) -> Result<(), Error> {
    let unfit = |why: String| Error::Unfit {
        path: folder.to_owned(),
        why,
    };
    let mode = if access == Access::System {
        0o755
    } else {
        0o700
    };
    let made = DirBuilder::new().recursive(true).mode(mode).create(folder);
    made.map_err(|error| unfit(error.to_string()))?;
    check_folder(folder)
}

/// Checks that nobody else could have put something into the folder, or
/// another folder in its place.
fn check_folder(folder: &Path) -> Result<(), Error> {
    let unfit = |why: String| Error::Unfit {
        path: folder.to_owned(),
        why,
    };
    let failed = |error: io::Error| unfit(error.to_string());
    // A link is as good as whoever made it; what it leads to is looked at next.
    let link = fs::symlink_metadata(folder).map_err(failed)?;
    let target = fs::metadata(folder).map_err(failed)?;
    for metadata in [&link, &target] {
        if !is_ours(metadata) {
            let uid = metadata.uid();
            return Err(unfit(format!("its folder belongs to uid {uid}")));
        }
    }
    let parent = folder.parent().map_or(Ok(None), |parent| {
        fs::metadata(parent).map(|metadata| Some((parent, metadata)))
    });
    let above = parent.map_err(failed)?;
    let all = [Some((folder, target)), above];
    for (path, metadata) in all.into_iter().flatten() {
        // In a sticky folder such as /tmp nobody can replace another's files.
        let (mode, is_sticky) = (metadata.mode() & 0o777, metadata.mode() & 0o1000 != 0);
        // Above, a group is let be: many systems give each user one of their own.
        let others = if path == folder { 0o022 } else { 0o002 };
        if mode & others != 0 && !is_sticky {
            return Err(unfit(format!(
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

/// Checks that whoever may connect to an inherited socket is to be served, and
/// that nobody else could have put it there. systemd makes sockets 0666 unless
/// its unit says otherwise. Connecting takes the permission to write (unix(7)).
pub(super) fn check_inherited(path: &Path, access: Access) -> Result<(), Error> {
    let unfit = |why: String| Error::Unfit {
        path: path.to_owned(),
        why,
    };
    check_folder(path.parent().unwrap_or(Path::new("/")))?;
    let metadata = fs::symlink_metadata(path).map_err(|error| unfit(error.to_string()))?;
    if !metadata.file_type().is_socket() || !is_ours(&metadata) {
        return Err(unfit("another file is in its place".to_owned()));
    }
    let mode = metadata.mode() & 0o777;
    match access {
        Access::User(_) if mode & 0o022 != 0 => Err(unfit(format!(
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
    let unfit = |error: io::Error| Error::Unfit {
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
        .map_err(unfit)?;
    // In a shared folder somebody else may have made it, and hold it.
    if !is_ours(&lock.metadata().map_err(unfit)?) {
        return Err(unfit(io::Error::other("its lock file is another user's")));
    }
    match lock.try_lock() {
        Ok(()) => HeldLock::new(lock).map_err(unfit),
        Err(TryLockError::WouldBlock) => Err(Error::InUse {
            path: path.to_owned(),
            holder: LockHolder::read(&lock_path),
        }),
        Err(TryLockError::Error(error)) => Err(unfit(error)),
    }
}

/// Whether a process listens at `path`. Does not wait where its queue is full.
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

/// Removes the socket of a daemon that is gone, as the lock says that we hold.
/// It says nothing if its file was deleted: then a daemon may still listen.
pub(super) fn remove_stale(path: &Path) -> Result<(), Error> {
    let unfit = |why: String| Error::Unfit {
        path: path.to_owned(),
        why,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unfit(error.to_string())),
        Ok(metadata) if !metadata.file_type().is_socket() => Err(unfit(
            "something that is no socket is in its place".to_owned(),
        )),
        Ok(_) if is_listened_on(path) => Err(Error::InUse {
            path: path.to_owned(),
            holder: LockHolder::default(),
        }),
        Ok(_) => fs::remove_file(path).map_err(|error| unfit(error.to_string())),
    }
}
