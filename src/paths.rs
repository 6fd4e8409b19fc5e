//! The default locations of files, by the rules of the platform.
//!
//! | | Linux | macOS |
//! | --- | --- | --- |
//! | vault | `$XDG_DATA_HOME/agent-authd`, else `~/.local/share/agent-authd` | `~/Library/Application Support/agent-authd/data` |
//! | settings and key | `$XDG_CONFIG_HOME/agent-authd`, else `~/.config/agent-authd` | `~/Library/Application Support/agent-authd` |
//! | socket | `$XDG_RUNTIME_DIR/agent-authd/agent-auth.sock` | in the vault's folder |
//!
//! If there is no runtime folder (macOS, containers, `su`), the socket is
//! `agent-auth.sock` in the vault's folder. The system's daemon serves every
//! user of the machine and has its own locations:
//!
//! | | Linux | macOS |
//! | --- | --- | --- |
//! | vault | `/var/lib/agent-authd` | `/Library/Application Support/agent-authd/data` |
//! | settings | `/etc/agent-authd` | `/Library/Application Support/agent-authd` |
//! | key | `/var/lib/agent-authd-key` | with the settings |
//! | socket | `/run/agent-authd/agent-auth.sock` | `/var/run/agent-authd/agent-auth.sock` |
//!
//! This module creates no file and no folder.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use directories::ProjectDirs;

/// The name of the folders.
const APPLICATION: &str = "agent-authd";

/// The folder of the providers that the machine's administrator defines for
/// every local user.
pub const PLATFORM_DIR: &str = "/etc/agent-authd/providers.d";

/// The socket's name in its folder.
const SOCKET: &str = "agent-auth.sock";

/// The folder of the system daemon's socket. Only root can create it.
const SYSTEM_RUNTIME_DIR: &str = if cfg!(target_os = "macos") {
    "/var/run/agent-authd"
} else {
    "/run/agent-authd"
};

/// The longest path of a Unix socket, in bytes: the size of `sun_path` in
/// `sockaddr_un` (unix(7)) without the terminating NUL. 107 on Linux, 103 on
/// macOS and the BSDs.
pub const LONGEST_SOCKET_PATH: usize = if cfg!(any(target_os = "linux", target_os = "android")) {
    107
} else {
    103
};

/// Why a location cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Neither `$HOME` nor the user database names a home folder.
    #[error("no home folder was found: set HOME, or name each path")]
    NoHome,
    /// The path is too long for the address of a socket.
    #[error(
        "the socket's path is {length} bytes long and may have {LONGEST_SOCKET_PATH} at most: {path}",
        path = path.display()
    )]
    SocketPathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
    },
}

/// The default locations of one user, or of the system's daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// The folder of the vault.
    pub data_dir: PathBuf,
    /// The folder of `config.toml`.
    pub config_dir: PathBuf,
    /// The folder of the vault's key. It is never the vault's folder, so that a
    /// copy of one does not contain the other.
    pub key_dir: PathBuf,
    /// The folder that is deleted at the end of the session, if there is one.
    pub runtime_dir: Option<PathBuf>,
}

impl Defaults {
    /// The locations for the user of this process, according to its
    /// environment.
    ///
    /// # Errors
    /// [`Error::NoHome`].
    pub fn of_this_user() -> Result<Self, Error> {
        let dirs = ProjectDirs::from("", "", APPLICATION).ok_or(Error::NoHome)?;
        let (data, config) = (dirs.data_dir(), dirs.config_dir());
        Ok(Self {
            data_dir: if data == config {
                data.join("data")
            } else {
                data.to_owned()
            },
            config_dir: config.to_owned(),
            key_dir: config.to_owned(),
            runtime_dir: dirs.runtime_dir().map(Path::to_owned),
        })
    }

    /// The locations of the system's daemon.
    #[must_use]
    pub fn of_the_system() -> Self {
        // On Linux the service creates the key, and it cannot write to /etc.
        let (data_dir, config_dir, key_dir) = if cfg!(target_os = "macos") {
            let folder = "/Library/Application Support/agent-authd";
            (
                "/Library/Application Support/agent-authd/data",
                folder,
                folder,
            )
        } else {
            let data_dir = "/var/lib/agent-authd";
            (data_dir, "/etc/agent-authd", "/var/lib/agent-authd-key")
        };
        Self {
            data_dir: data_dir.into(),
            config_dir: config_dir.into(),
            key_dir: key_dir.into(),
            runtime_dir: Some(SYSTEM_RUNTIME_DIR.into()),
        }
    }

    /// The settings' file.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.config_dir.join("config.toml")
    }

    /// The file of the vault's key.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.key_dir.join("vault.key")
    }

    /// The socket of a daemon whose vault is in `data_dir`: in the runtime
    /// folder if there is one, otherwise in `data_dir`.
    #[must_use]
    pub fn socket(&self, data_dir: &Path) -> PathBuf {
        self.runtime_dir.as_deref().unwrap_or(data_dir).join(SOCKET)
    }
}

/// The default socket of the system's daemon.
#[must_use]
pub fn system_socket() -> PathBuf {
    Path::new(SYSTEM_RUNTIME_DIR).join(SOCKET)
}

/// Checks that `path` is short enough for the address of a socket.
///
/// # Errors
/// [`Error::SocketPathTooLong`].
pub fn check_socket(path: &Path) -> Result<(), Error> {
    let length = path.as_os_str().as_bytes().len();
    if length <= LONGEST_SOCKET_PATH {
        return Ok(());
    }
    Err(Error::SocketPathTooLong {
        path: path.to_owned(),
        length,
    })
}

/// The lock file of the daemon that listens on `socket`. The file remains after
/// the daemon has ended.
#[must_use]
pub fn socket_lock(socket: &Path) -> PathBuf {
    let mut name = socket.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults(runtime_dir: Option<&str>) -> Defaults {
        Defaults {
            data_dir: "/home/me/data".into(),
            config_dir: "/home/me/config".into(),
            key_dir: "/home/me/config".into(),
            runtime_dir: runtime_dir.map(PathBuf::from),
        }
    }

    #[test]
    fn the_socket_is_in_the_runtime_folder_or_in_the_vaults_folder() {
        let data_dir = Path::new("/srv/vault");
        assert_eq!(
            defaults(Some("/run/user/1000/agent-authd")).socket(data_dir),
            Path::new("/run/user/1000/agent-authd/agent-auth.sock")
        );
        assert_eq!(
            defaults(None).socket(data_dir),
            Path::new("/srv/vault/agent-auth.sock")
        );
    }

    #[test]
    fn the_key_is_never_in_the_vaults_folder() {
        for defaults in [Defaults::of_this_user().unwrap(), Defaults::of_the_system()] {
            assert!(!defaults.key_file().starts_with(&defaults.data_dir));
        }
    }

    #[test]
    fn a_socket_path_longer_than_the_kernels_limit_is_refused() {
        let fits = PathBuf::from("/".repeat(LONGEST_SOCKET_PATH));
        assert_eq!(check_socket(&fits), Ok(()));
        let error = check_socket(&fits.join("x")).unwrap_err().to_string();
        assert!(error.contains("at most"), "{error}");
    }
}
