//! Why a daemon does not start.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::http::socket;
use crate::lock_file::LockHolder;
use crate::redirect::listener;
use crate::{broker, oauth, vault};

/// An error of a part of the daemon; its text says what to do.
type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a daemon does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Neither `$HOME` nor the user database names a home folder, where the
    /// default folders would be.
    #[error("this user has no home folder for the default folders: name the data folder")]
    NoHome,
    /// A path that was given cannot be used.
    #[error("{} cannot be used: {why}", path.display())]
    UnusablePath {
        /// The path.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The process runs as uid 65534 (nobody), which different people share,
    /// so that their tokens could not be kept apart.
    #[error("agent-authd cannot run as uid 65534 (nobody): different people share it")]
    SharedUser,
    /// A platform provider that was given cannot be one.
    #[error("the provider {provider_id:?} cannot be used: {why}")]
    InvalidProvider {
        /// Its identifier, as it was given.
        provider_id: String,
        /// What is wrong with it; never a secret.
        why: String,
    },
    /// Another daemon listens at the socket.
    #[error("another agent-authd{} listens on {}", process(*pid), socket.display())]
    SocketInUse {
        /// The socket.
        socket: PathBuf,
        /// The process that listens, if it is known.
        pid: Option<u32>,
    },
    /// Another daemon holds the vault.
    #[error("another agent-authd{} holds the data in {}", process(*pid), data_dir.display())]
    VaultInUse {
        /// The vault's folder.
        data_dir: PathBuf,
        /// The process that holds it, if it is known.
        pid: Option<u32>,
    },
    /// Another program listens at the redirect address.
    #[error("{address} is in use by another program, so redirects could not arrive")]
    RedirectAddressInUse {
        /// The address.
        address: SocketAddr,
    },
    /// The socket cannot be opened.
    #[error(transparent)]
    Socket(Source),
    /// The redirect listener cannot be opened.
    #[error(transparent)]
    RedirectListener(Source),
    /// The vault or its key cannot be opened.
    #[error(transparent)]
    Vault(Source),
    /// This machine cannot make requests to providers.
    #[error(transparent)]
    HttpClient(Source),
}

fn process(pid: Option<u32>) -> String {
    let holder = LockHolder {
        pid,
        is_stopping: false,
    };
    holder.to_string()
}

impl From<socket::Error> for Error {
    fn from(error: socket::Error) -> Self {
        match error {
            socket::Error::InUse { path, holder } => Self::SocketInUse {
                socket: path,
                pid: holder.pid,
            },
            error @ socket::Error::Unusable { .. } => Self::Socket(error.into()),
        }
    }
}

impl From<listener::Error> for Error {
    fn from(error: listener::Error) -> Self {
        match error {
            listener::Error::Busy { address } => Self::RedirectAddressInUse { address },
            error => Self::RedirectListener(error.into()),
        }
    }
}

impl From<vault::Error> for Error {
    fn from(error: vault::Error) -> Self {
        match error {
            vault::Error::Held { folder, holder } => Self::VaultInUse {
                data_dir: folder,
                pid: holder.pid,
            },
            error => Self::Vault(error.into()),
        }
    }
}

impl From<broker::Error> for Error {
    fn from(error: broker::Error) -> Self {
        match error {
            broker::Error::Vault(error) => error.into(),
            error => Self::Vault(error.into()),
        }
    }
}

impl From<oauth::Error> for Error {
    fn from(error: oauth::Error) -> Self {
        Self::HttpClient(error.into())
    }
}
