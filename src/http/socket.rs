//! The listening Unix socket: created in a folder that other users cannot change,
//! replacing the socket of a daemon that has ended but not of a running one; or
//! inherited from the service manager after a check of its permissions.

mod path;

use std::fs::{self, Permissions};
use std::future::{Ready, ready};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, Shutdown, SockFlag, SockType, UnixAddr, listen, recv,
    shutdown, socket,
};
use tokio::net::{UnixListener, UnixStream};

use self::path::{check_inherited, prepare_folder, remove_stale, take_lock};
use super::{Access, Peer};
use crate::lock_file::{HeldLock, LockHolder};
use crate::server::Listener;
use crate::server::connection_quota::ConnectionQuota;

/// The number of connections that are checked before other tasks run.
const ACCEPTS_PER_TURN: usize = 64;

/// Sets close-on-exec when the socket is created, if the system supports that.
const CLOSE_ON_EXEC: SockFlag = {
    #[cfg(target_os = "linux")]
    let flag = SockFlag::SOCK_CLOEXEC;
    #[cfg(not(target_os = "linux"))]
    let flag = SockFlag::empty();
    flag
};

/// Why the socket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another daemon listens on it.
    #[error("another agent-authd{holder} listens on {}", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
        /// The process that listens on it.
        holder: LockHolder,
    },
    /// Another file has its path, or its folder is not safe.
    #[error("cannot use {} as the socket: {why}", path.display())]
    Unusable {
        /// The socket, or its folder.
        path: PathBuf,
        /// The reason.
        why: String,
    },
}

/// The listening socket. If this process bound it, dropping it removes its file,
/// except after [`Listener::close_queue`], which leaves it for the next daemon.
#[derive(Debug)]
pub struct ApiListener {
    listener: UnixListener,
    /// The same socket, used without the runtime.
    queue: StdListener,
    path: PathBuf,
    access: Access,
    quota: ConnectionQuota,
    /// The lock that allows replacing and removing the socket; `None` for a socket
    /// of the service manager.
    lock: Option<HeldLock>,
    /// Whether the file is left for the next daemon.
    is_left: bool,
}

impl ApiListener {
    /// Binds the socket at `path` and creates its folder if it is missing.
    ///
    /// # Errors
    /// [`Error`] says why the path cannot be used.
    pub fn bind(path: &Path, access: Access, max_connections: usize) -> Result<Self, Error> {
        let unusable = |why: String| Error::Unusable {
            path: path.to_owned(),
            why,
        };
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.ok_or_else(|| unusable("it has no folder".to_owned()))?;
        prepare_folder(folder, access)?;
        let lock = take_lock(path)?;
        remove_stale(path)?;
        let listener = bind(path, access).map_err(|error| unusable(error.to_string()))?;
        let (listener, queue) =
            with_queue(listener).map_err(|error| unusable(error.to_string()))?;
        Ok(Self {
            listener,
            queue,
            path: path.to_owned(),
            access,
            quota: quota(access, max_connections),
            lock: Some(lock),
            is_left: false,
        })
    }

    /// Takes over a socket that the service manager bound, if only users who are
    /// served can connect to it.
    ///
    /// # Errors
    /// [`Error`] says what is wrong, and which setting of the unit to change.
    pub fn inherit(
        listener: StdListener,
        access: Access,
        max_connections: usize,
    ) -> Result<Self, Error> {
        let address = listener.local_addr().ok();
        let path = address.as_ref().and_then(|address| address.as_pathname());
        let path = path.map(Path::to_owned).ok_or_else(|| Error::Unusable {
            path: "the service manager's socket".into(),
            why: "it has no path in the file system".to_owned(),
        })?;
        check_inherited(&path, access)?;
        let unusable = |error: io::Error| Error::Unusable {
            path: path.clone(),
            why: error.to_string(),
        };
        // The unit's Backlog= sets its queue. listen(2) is not called, because it
        // would replace the service manager as the server that clients see
        // (unix(7), SO_PEERCRED).
        let (listener, queue) = with_queue(listener).map_err(unusable)?;
        Ok(Self {
            listener,
            queue,
            path,
            access,
            quota: quota(access, max_connections),
            lock: None,
            is_left: false,
        })
    }

    /// The lock of its file; `None` for a socket of the service manager. The next
    /// daemon opens its sockets when all clones of the lock are dropped.
    #[must_use]
    pub fn lock(&self) -> Option<&HeldLock> {
        self.lock.as_ref()
    }

    /// The path of the socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The quota: a user daemon does not limit its own user; a system daemon limits
/// every user.
fn quota(access: Access, max_connections: usize) -> ConnectionQuota {
    let daemon_user = match access {
        Access::User(owner) => Some(owner.uid()),
        Access::System => None,
    };
    ConnectionQuota::new(max_connections, daemon_user)
}

/// Whether the peer closed the connection without sending anything.
fn is_abandoned(stream: &impl AsRawFd) -> bool {
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    recv(stream.as_raw_fd(), &mut [0], flags) == Ok(0)
}

/// The listener for the runtime, and the same socket for immediate accepts.
fn with_queue(listener: StdListener) -> io::Result<(UnixListener, StdListener)> {
    listener.set_nonblocking(true)?;
    // A second descriptor of the same socket, whose mode is the first's.
    let queue = listener.try_clone()?;
    Ok((UnixListener::from_std(listener)?, queue))
}

/// Binds a listening socket at `path`. The mode of its file is set before it listens,
/// so that no other user can connect in between. The umask is not used, because it
/// belongs to the whole process.
fn bind(path: &Path, access: Access) -> io::Result<StdListener> {
    let mode = if access == Access::System {
        0o666
    } else {
        0o600
    };
    let socket = socket(AddressFamily::Unix, SockType::Stream, CLOSE_ON_EXEC, None)?;
    fcntl(&socket, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    nix::sys::socket::bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    // The longest queue that the system allows: a program that connects while it
    // is full gets an error at once (`EAGAIN`).
    listen(&socket, Backlog::MAXALLOWABLE)?;
    Ok(socket.into())
}

impl Listener for ApiListener {
    type Stream = UnixStream;
    type Peer = Peer;

    type Admission = Ready<Option<Peer>>;

    /// The next connection that is served. Others are closed here, without a task
    /// and without registering them with the runtime, so that a program that
    /// connects and closes in a loop cannot fill the queue faster than it is emptied.
    async fn accept(&mut self) -> io::Result<(UnixStream, Self::Admission)> {
        loop {
            for _ in 0..ACCEPTS_PER_TURN {
                let stream = match self.queue.accept() {
                    Ok((stream, _)) => stream,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.listener.accept().await?.0.into_std()?
                    }
                    Err(error) => return Err(error),
                };
                if let Some(admitted) = self.admit(stream)? {
                    return Ok(admitted);
                }
            }
            tokio::task::yield_now().await;
        }
    }

    fn close_queue(&mut self) -> bool {
        if self.lock.is_none() {
            // The service manager keeps its queue for the next daemon.
            return false;
        }
        // unix(7): on Linux no connection can join the queue from now on, so none
        // is lost once it is empty. The file is left for the next daemon: without
        // it, a client would connect to the system daemon.
        self.is_left = shutdown(self.listener.as_raw_fd(), Shutdown::Read).is_ok();
        if !self.is_left {
            self.remove_file();
        }
        true
    }

    async fn accept_queued(&mut self) -> Option<(UnixStream, Self::Admission)> {
        loop {
            // The runtime reports a socket that was shut down as ready.
            let (stream, _) = self.queue.accept().ok()?;
            if let Ok(Some(admitted)) = self.admit(stream) {
                return Some(admitted);
            }
        }
    }
}

impl ApiListener {
    /// A connection and its peer; `None` if the peer has closed it, is rejected, or
    /// has too many connections.
    fn admit(&self, stream: StdStream) -> io::Result<Option<(UnixStream, Ready<Option<Peer>>)>> {
        if is_abandoned(&stream) {
            return Ok(None);
        }
        stream.set_nonblocking(true)?;
        let stream = UnixStream::from_std(stream)?;
        let Some(peer) = self.access.admit(&stream) else {
            return Ok(None);
        };
        let Some(permit) = self.quota.take(peer.uid) else {
            return Ok(None);
        };
        let permit = Some(Arc::new(permit));
        Ok(Some((stream, ready(Some(Peer { permit, ..peer })))))
    }

    fn remove_file(&self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(error = %error, "the socket's file does not exist any more");
        }
    }
}

impl Drop for ApiListener {
    fn drop(&mut self) {
        if self.lock.is_some() && !self.is_left {
            self.remove_file();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use nix::unistd::geteuid;

    use super::*;
    use crate::identity::Owner;

    #[tokio::test]
    async fn a_connection_that_its_peer_has_closed_is_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/s");
        let me = Owner::from_uid(geteuid().as_raw()).unwrap();
        let mut listener = ApiListener::bind(&path, Access::User(me), 8).unwrap();
        for _ in 0..20 {
            drop(StdStream::connect(&path).unwrap());
        }
        // A request is answered even if the peer has closed its write side.
        let mut sent = StdStream::connect(&path).unwrap();
        sent.write_all(b"G").unwrap();
        sent.shutdown(std::net::Shutdown::Write).unwrap();
        let waiting = StdStream::connect(&path).unwrap();
        let mut accepted = Vec::new();
        for _ in 0..2 {
            accepted.push(listener.accept().await.unwrap().0);
        }
        drop((sent, waiting));
        accepted[0].readable().await.unwrap();
        assert_eq!(accepted[0].try_read(&mut [0; 2]).unwrap(), 1);
        assert!(is_abandoned(&accepted[1]));
    }
}
