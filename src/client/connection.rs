//! One connection to the daemon's socket, for one request.
//!
//! Before a byte is sent, the kernel is asked who listens there: what follows
//! may be a client secret, and the answer a token. Trusted are this user, root,
//! and at the system's socket the account to which root gave its folder.

use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::Instant;

use super::Error;
use crate::paths;

/// How long a connection is tried for that finds the daemon's queue full.
const CROWDED_LIMIT: Duration = Duration::from_secs(5);

/// The pause between two such attempts.
const CROWDED_PAUSE: Duration = Duration::from_millis(10);

/// How long a daemon is waited for that is not there: a restart takes about a
/// tenth of it.
const RESTART_LIMIT: Duration = Duration::from_secs(1);

/// Sends `request` to the daemon at `socket` and returns the head of its
/// answer; the body follows as it is read.
///
/// The request's URI is a path; its `Host` is set here. There is no limit on
/// the time the daemon takes, since it may be waiting for a person. Dropping
/// the future, or the answer's body, closes the connection.
///
/// # Errors
/// [`Error::NotRunning`], [`Error::Closed`], [`Error::ForeignServer`] or
/// [`Error::Broken`].
pub async fn send(
    socket: &Path,
    mut request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, Error> {
    let stream = connect(socket).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    tokio::spawn(connection);
    let host = hyper::header::HeaderValue::from_static("localhost");
    request.headers_mut().insert(hyper::header::HOST, host);
    sender.send_request(request).await.map_err(broken)
}

async fn connect(socket: &Path) -> Result<UnixStream, Error> {
    let stream = connect_when_there_is_room(socket).await.map_err(|error| {
        let socket = socket.to_owned();
        match error.kind() {
            ErrorKind::ConnectionRefused if is_no_socket(&socket) => Error::NotASocket { socket },
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => Error::NotRunning { socket },
            ErrorKind::PermissionDenied => Error::Closed { socket },
            _ => Error::Broken(error),
        }
    })?;
    let server = stream.peer_cred().map_err(Error::Broken)?.uid();
    let me = nix::unistd::geteuid().as_raw();
    if is_trusted(server, me) || is_the_systems(socket, server) {
        return Ok(stream);
    }
    Err(Error::ForeignServer {
        socket: socket.to_owned(),
        uid: server,
    })
}

/// Whether another kind of file has the socket's name.
fn is_no_socket(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| !found.file_type().is_socket())
}

/// Connects; again and again for a while as long as too many others wait to be
/// accepted (`EAGAIN`, connect(2)), or the daemon is being restarted: nothing
/// has been sent then. Where no daemon has ever run there is no waiting.
async fn connect_when_there_is_room(socket: &Path) -> io::Result<UnixStream> {
    let began = Instant::now();
    loop {
        let error = match UnixStream::connect(socket).await {
            Ok(stream) => return Ok(stream),
            Err(error) => error,
        };
        let limit = match error.kind() {
            ErrorKind::WouldBlock => CROWDED_LIMIT,
            ErrorKind::NotFound | ErrorKind::ConnectionRefused
                if paths::socket_lock(socket).exists() =>
            {
                RESTART_LIMIT
            }
            _ => return Err(error),
        };
        if began.elapsed() >= limit {
            return Err(error);
        }
        tokio::time::sleep(CROWDED_PAUSE).await;
    }
}

/// Whether a server of the uid `server` may see what the user `me` sends.
fn is_trusted(server: u32, me: u32) -> bool {
    server == me || server == 0
}

/// Whether `socket` is the system's and `server` the account that root chose to
/// serve it. Only root can write into the parent of its folder, so root chose the
/// owner of the folder. This does not hold for other places, where any user may
/// have made the folder.
fn is_the_systems(socket: &Path, server: u32) -> bool {
    let folder = socket.parent().map(Path::symlink_metadata);
    let Some(Ok(folder)) = folder else {
        return false;
    };
    socket == paths::system_socket()
        && folder.is_dir()
        && folder.uid() == server
        && folder.mode() & 0o022 == 0
}

fn broken(error: hyper::Error) -> Error {
    Error::Broken(io::Error::other(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folders_owner_is_trusted_in_the_systems_place_alone() {
        let folder = tempfile::tempdir().unwrap();
        let owner = folder.path().symlink_metadata().unwrap().uid();
        assert!(!is_the_systems(
            &folder.path().join("agent-auth.sock"),
            owner
        ));
    }

    #[tokio::test]
    async fn a_full_queue_is_waited_for() {
        use nix::sys::socket::{Backlog, listen};

        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        listen(&listener, Backlog::new(1).unwrap()).unwrap();
        let mut held = Vec::new();
        while let Ok(stream) = UnixStream::connect(&socket).await {
            held.push(stream);
        }
        let waiting = tokio::spawn(async move { connect(&socket).await });
        tokio::time::sleep(CROWDED_PAUSE).await;
        assert!(!waiting.is_finished());
        for _ in &held {
            listener.accept().unwrap();
        }
        waiting.await.unwrap().unwrap();
    }

    #[test]
    fn only_the_users_own_server_or_roots_is_trusted() {
        assert!(is_trusted(1000, 1000));
        assert!(is_trusted(0, 1000));
        assert!(!is_trusted(1001, 1000));
        assert!(!is_trusted(1000, 0));
    }
}
