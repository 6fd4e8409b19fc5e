//! The Unix socket: made where nobody else can get at it, taken over from a
//! daemon that is gone, never from one that lives.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _,
    PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, umask};
use nix::unistd::geteuid;
use tokio::net::{UnixListener, UnixStream};

use super::{Access, Peer};
use crate::server::Listener;

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

/// The bound socket; its file goes when it is dropped.
#[derive(Debug)]
pub struct ApiListener {
    listener: UnixListener,
    path: PathBuf,
    access: Access,
    /// Whoever holds it may take over and remove the socket.
    _lock: File,
}

impl ApiListener {
    /// Binds the socket at `path`, making its folder if it is missing.
    ///
    /// # Errors
    /// [`Error`] says what is in the way.
    pub fn bind(path: &Path, access: Access) -> Result<Self, Error> {
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
        if access == Access::System {
            let open_to_all = fs::set_permissions(path, Permissions::from_mode(0o666));
            open_to_all.map_err(|error| unfit(error.to_string()))?;
        }
        Ok(Self {
            listener,
            path: path.to_owned(),
            access,
            _lock: lock,
        })
    }
}

impl Listener for ApiListener {
    type Stream = UnixStream;
    type Peer = Peer;

    async fn accept(&mut self) -> io::Result<(UnixStream, Option<Peer>)> {
        let (stream, _) = self.listener.accept().await?;
        let peer = self.access.admit(&stream);
        Ok((stream, peer))
    }
}

impl Drop for ApiListener {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(error = %error, "the socket's file was gone already");
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
    let metadata = fs::metadata(folder).map_err(|error| unfit(error.to_string()))?;
    if metadata.uid() != geteuid().as_raw() && metadata.uid() != 0 {
        return Err(unfit(format!(
            "its folder belongs to uid {}",
            metadata.uid()
        )));
    }
    // In a sticky folder such as /tmp nobody can replace another's files.
    let (mode, is_sticky) = (metadata.mode() & 0o777, metadata.mode() & 0o1000 != 0);
    if mode & 0o022 != 0 && !is_sticky {
        return Err(unfit(format!(
            "others can write into its folder (mode {mode:03o}); run: chmod 700 {}",
            folder.display()
        )));
    }
    Ok(())
}

fn take_lock(path: &Path) -> Result<File, Error> {
    let unfit = |error: io::Error| Error::Unfit {
        path: path.to_owned(),
        why: error.to_string(),
    };
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
        .open(name)
        .map_err(unfit)?;
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
