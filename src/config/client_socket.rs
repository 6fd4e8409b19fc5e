//! Which socket a client connects to.

use std::path::{Path, PathBuf};

use super::args::Flags;
use super::{Config, Error, absolute};
use crate::paths;

/// The socket that a client connects to: the one that is `named`, else the one
/// in the settings of this user's daemon, else the system daemon's if only that
/// one exists.
///
/// # Errors
/// As [`Config::resolve`], or the path that is named is too long.
pub fn socket(named: Option<PathBuf>) -> Result<PathBuf, Error> {
    if let Some(named) = named {
        let socket = absolute(named)?;
        paths::check_socket(&socket)?;
        return Ok(socket);
    }
    let system = paths::system_socket();
    let exists = |socket: &Path| socket.symlink_metadata().is_ok();
    let own = match own_socket() {
        // A service without a home folder has no daemon of its own.
        Err(Error::Paths {
            error: paths::Error::NoHome,
        }) if exists(&system) => return Ok(system),
        own => own?,
    };
    Ok(if !exists(&own) && exists(&system) {
        system
    } else {
        own
    })
}

/// The socket in the settings of this user's daemon.
fn own_socket() -> Result<PathBuf, Error> {
    let flags = Flags {
        data_dir: std::env::var_os("AGENT_AUTH_DATA_DIR")
            .filter(|value| !value.is_empty())
            .map(PathBuf::from),
        ..Flags::default()
    };
    Config::resolve(&flags).map(|config| config.socket)
}
