//! The Unix socket: made where nobody else can get at it, taken over from a
//! daemon that is gone, never from one that lives, or inherited from the
//! service manager after a look at who may connect to it.

mod place;

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

use self::place::{check_inherited, prepare_folder, remove_stale, take_lock};
use super::{Access, Peer};
use crate::lock_file::{HeldLock, LockHolder};
use crate::server::Listener;
use crate::server::connection_quota::ConnectionQuota;

/// How many connections are looked at before other tasks have their turn.
const ACCEPTS_PER_TURN: usize = 64;

/// Makes a socket that no program started meanwhile inherits, where the system
/// can do that in one step.
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
    /// A daemon listens there.
    #[error(
        "another agent-authd{holder} listens at {}; end it first, or name another socket with --socket",
        path.display()
    )]
    InUse {
        /// The socket.
        path: PathBuf,
        /// The process that listens.
        holder: LockHolder,
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

/// The listening socket. If this process bound it, its file goes when it is
/// dropped, and stays for the next daemon when it was closed in order.
#[derive(Debug)]
pub struct ApiListener {
    listener: UnixListener,
    /// The same socket, asked without the runtime.
    queue: StdListener,
    path: PathBuf,
    access: Access,
    quota: ConnectionQuota,
    /// The right to take over and to remove the socket; `None` for one that is
    /// the service manager's.
    lock: Option<HeldLock>,
    /// Whether the file stays.
    is_left: bool,
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
        let listener = bind(path, access).map_err(|error| unfit(error.to_string()))?;
        let (listener, queue) = watched(listener).map_err(|error| unfit(error.to_string()))?;
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
        let (listener, queue) = watched(listener).map_err(unfit)?;
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

    /// The right to its file; `None` if it is the service manager's. The next
    /// daemon opens its sockets when no clone of this is left.
    #[must_use]
    pub fn lock(&self) -> Option<&HeldLock> {
        self.lock.as_ref()
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
fn is_abandoned(stream: &impl AsRawFd) -> bool {
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    recv(stream.as_raw_fd(), &mut [0], flags) == Ok(0)
}

/// The listener as the runtime waits for it, and as it is asked at once.
fn watched(listener: StdListener) -> io::Result<(UnixListener, StdListener)> {
    listener.set_nonblocking(true)?;
    // A second descriptor of the same socket, whose mode is the first's.
    let queue = listener.try_clone()?;
    Ok((UnixListener::from_std(listener)?, queue))
}

/// A listening socket at `path`. Its file has its mode before the socket listens,
/// so that no other user can connect meanwhile, and the umask, which belongs to the
/// whole process, stays as it is.
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
    // As many connections wait to be accepted as the system allows: a program
    // that connects while the queue is full gets an error at once (`EAGAIN`).
    listen(&socket, Backlog::MAXALLOWABLE)?;
    Ok(socket.into())
}

impl Listener for ApiListener {
    type Stream = UnixStream;
    type Peer = Peer;

    type Admission = Ready<Option<Peer>>;

    /// The next connection that is served. One that is not ends here, before it
    /// costs a task, or the runtime a watch: a program that connects and closes
    /// without pause must not fill the queue faster than it is emptied.
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
            // The service manager's queue is left to the next daemon.
            return false;
        }
        // unix(7): on Linux nothing can join the queue from now on, and so
        // nothing is lost when it is empty. The file stays for the next daemon:
        // where there is none, a client would take the machine's.
        self.is_left = shutdown(self.listener.as_raw_fd(), Shutdown::Read).is_ok();
        if !self.is_left {
            self.remove_file();
        }
        true
    }

    async fn accept_queued(&mut self) -> Option<(UnixStream, Self::Admission)> {
        loop {
            // The runtime takes a socket that was shut down for one that is ready.
            let (stream, _) = self.queue.accept().ok()?;
            if let Ok(Some(admitted)) = self.admit(stream) {
                return Some(admitted);
            }
        }
    }
}

impl ApiListener {
    /// A connection, and who is at its other end; `None` for a peer that has
    /// gone, is refused, or has no place left.
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
            tracing::debug!(error = %error, "the socket's file was gone already");
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
        accepted[0].readable().await.unwrap();
        assert_eq!(accepted[0].try_read(&mut [0; 2]).unwrap(), 1);
        assert!(is_abandoned(&accepted[1]));
    }
}
