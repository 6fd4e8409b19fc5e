//! The Unix socket: made where nobody else can get at it, taken over from a
//! daemon that is gone, never from one that lives, or inherited from the
//! service manager after a look at who may connect to it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::future::{Ready, ready};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _,
    PermissionsExt as _,
};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::socket::{Backlog, MsgFlags, listen, recv};
use nix::sys::stat::{Mode, umask};
use nix::unistd::geteuid;
use tokio::net::{UnixListener, UnixStream};

use super::{Access, Peer};
use crate::paths;
use crate::server::Listener;
use crate::server::connection_quota::ConnectionQuota;

/// Why the socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A daemon listens there.
    #[error(
        "another agent-authd listens at {}; end it first, or name another socket with --socket",
        path.display()
    )]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something else is in its place, or its folder is not safe.
    #[error("{} cannot be the socket: {why}; another place can be named with --socket", path.display())]
    Unfit {
        /// The socket, or its folder.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// The listening socket; if this process bound it, its file goes when it is
/// dropped.
#[derive(Debug)]
pub struct ApiListener {
    listener: UnixListener,
    path: PathBuf,
    access: Access,
    quota: ConnectionQuota,
    /// Whoever holds it may take over and remove the socket; `None` for a
    /// socket that is the service manager's.
    lock: Option<File>,
}

impl ApiListener {
    /// Binds the socket at `path`, making its folder if it is missing.
    ///
    /// # Errors
    /// [`Error`] says what is in the way.
    pub fn bind(path: &Path, access: Access, max_connections: usize) -> Result<Self, Error> {
        let unfit = |why: String| Error::Unfit {
            path: path.to_owned(),
            why,
        };
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.ok_or_else(|| unfit("it has no folder".to_owned()))?;
        prepare_folder(folder, access)?;
        let lock = take_lock(path)?;
        remove_stale(path)?;
        // Between bind and chmod nobody else may connect.
        let before = umask(Mode::from_bits_truncate(0o177));
        let bound = UnixListener::bind(path);
        umask(before);
        let listener = bound.map_err(|error| unfit(error.to_string()))?;
        lengthen_queue(&listener);
        if access == Access::System {
            let open_to_all = fs::set_permissions(path, Permissions::from_mode(0o666));
            open_to_all.map_err(|error| unfit(error.to_string()))?;
        }
        Ok(Self {
            listener,
            path: path.to_owned(),
            access,
            quota: quota(access, max_connections),
            lock: Some(lock),
        })
    }

    /// Takes over a socket that the service manager bound, if nobody can
    /// connect to it who is not to be served.
    ///
    /// # Errors
    /// [`Error`] says what is wrong with it, and which setting of the unit
    /// puts it right.
    pub fn inherit(
        listener: StdListener,
        access: Access,
        max_connections: usize,
    ) -> Result<Self, Error> {
        let address = listener.local_addr().ok();
        let path = address.as_ref().and_then(|address| address.as_pathname());
        let path = path.map(Path::to_owned).ok_or_else(|| Error::Unfit {
            path: "the service manager's socket".into(),
            why: "it has no place in the file system".to_owned(),
        })?;
        check_inherited(&path, access)?;
        let unfit = |error: io::Error| Error::Unfit {
            path: path.clone(),
            why: error.to_string(),
        };
        // Its queue is the unit's Backlog=: listen(2) would make this process the
        // server that clients see (unix(7), SO_PEERCRED) in the service manager's place.
        listener.set_nonblocking(true).map_err(unfit)?;
        Ok(Self {
            listener: UnixListener::from_std(listener).map_err(unfit)?,
            path,
            access,
            quota: quota(access, max_connections),
            lock: None,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A daemon of one user serves that one alone; on the system's no user may
/// take the others' places.
fn quota(access: Access, max_connections: usize) -> ConnectionQuota {
    let daemon_user = match access {
        Access::User(owner) => Some(owner.uid()),
        Access::System => None,
    };
    ConnectionQuota::new(max_connections, daemon_user)
}

/// Whether the peer closed the connection without having sent anything.
fn is_abandoned(stream: &UnixStream) -> bool {
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    recv(stream.as_raw_fd(), &mut [0], flags) == Ok(0)
}

/// Lets as many connections wait to be accepted as the system allows: a program
/// that connects while the queue is full gets an error at once (`EAGAIN`).
fn lengthen_queue(listener: &impl AsFd) {
    if let Err(error) = listen(listener, Backlog::MAXALLOWABLE) {
        tracing::warn!(error = %error, "the queue of connections keeps its length");
    }
}

impl Listener for ApiListener {
    type Stream = UnixStream;
    type Peer = Peer;

    type Admission = Ready<Option<Peer>>;

    /// The next connection that is served. One that is not ends here, before it
    /// costs a task: a program that connects and closes without pause must not
    /// fill the queue faster than it is emptied.
    async fn accept(&mut self) -> io::Result<(UnixStream, Self::Admission)> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            if is_abandoned(&stream) {
                continue;
            }
            if let Some(peer) = self.admit(&stream) {
                return Ok((stream, ready(Some(peer))));
            }
        }
    }

    fn close_queue(&mut self) -> bool {
        // The service manager's queue is left to the next daemon.
        let is_own = self.lock.is_some();
        if is_own {
            // Nothing can join the queue from now on, and so nothing is lost
            // when it is empty.
            self.remove_file();
        }
        is_own
    }
}

impl ApiListener {
    fn admit(&self, stream: &UnixStream) -> Option<Peer> {
        let peer = self.access.admit(stream)?;
        let permit = Some(Arc::new(self.quota.take(peer.uid)?));
        Some(Peer { permit, ..peer })
    }

    fn remove_file(&self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(error = %error, "the socket's file was gone already");
        }
    }
}

impl Drop for ApiListener {
    fn drop(&mut self) {
        if self.lock.is_some() {
            self.remove_file();
        }
    }
}

/// Makes the folder, or checks that nobody else could have put something into
/// the one that is there.
fn prepare_folder(folder: &Path, access: Access) -> Result<(), Error> {
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
fn check_inherited(path: &Path, access: Access) -> Result<(), Error> {
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

fn take_lock(path: &Path) -> Result<File, Error> {
    let unfit = |error: io::Error| Error::Unfit {
        path: path.to_owned(),
        why: error.to_string(),
    };
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
        .open(paths::socket_lock(path))
        .map_err(unfit)?;
    // In a shared folder somebody else may have made it, and hold it.
    if !is_ours(&lock.metadata().map_err(unfit)?) {
        return Err(unfit(io::Error::other("its lock file is another user's")));
    }
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Error::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(unfit(error)),
    }
}

/// Removes the socket of a daemon that is gone; that we hold the lock says
/// that it is.
fn remove_stale(path: &Path) -> Result<(), Error> {
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
        Ok(_) => fs::remove_file(path).map_err(|error| unfit(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream as StdStream;

    use super::*;
    use crate::identity::Owner;

    #[tokio::test]
    async fn a_connection_that_its_peer_has_left_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/s");
        let me = Owner::from_uid(geteuid().as_raw()).unwrap();
        let mut listener = ApiListener::bind(&path, Access::User(me), 8).unwrap();
        for _ in 0..20 {
            drop(StdStream::connect(&path).unwrap());
        }
        // A request that was sent is answered, though nothing more is sent.
        let mut sent = StdStream::connect(&path).unwrap();
        sent.write_all(b"G").unwrap();
        sent.shutdown(std::net::Shutdown::Write).unwrap();
        let waiting = StdStream::connect(&path).unwrap();
        let mut accepted = Vec::new();
        for _ in 0..2 {
            accepted.push(listener.accept().await.unwrap().0);
        }
        drop((sent, waiting));
        assert_eq!(accepted[0].try_read(&mut [0; 2]).unwrap(), 1);
        assert!(is_abandoned(&accepted[1]));
    }
}
