//! Announces that the daemon serves: to systemd, and to the person who started it.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sd_notify::NotifyState;

use crate::config::log::LogFormat;
use crate::config::{self, Config};
use crate::daemon::Daemon;
use crate::shell::quoted_path;

/// The name of the command line's program.
const CLIENT: &str = "agent-auth";

/// Reports where everything is and which command to type next.
pub(super) fn announce(config: &Config, daemon: &Daemon) {
    let (socket, redirect_base) = (daemon.socket(), daemon.redirect_base());
    // What `systemctl status` shows.
    let status = format!("serving {}, redirects at {redirect_base}", socket.display());
    // Fails without systemd, which is no error.
    let _ = sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"), socket = %socket.display(), redirect_base, "ready"
    );
    if config.log_format == LogFormat::Text {
        // The daemon serves also where standard output is closed.
        let _ = io::stdout().write_all(banner(config, socket, redirect_base).as_bytes());
    }
}

/// Tells systemd that the daemon is stopping.
pub(super) fn stopping() {
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
}

fn banner(config: &Config, socket: &Path, redirect_base: &str) -> String {
    let command = client_command();
    // Clients find the default socket without a flag.
    let is_default = config::socket(None).is_ok_and(|default| default == socket);
    let flag = if is_default {
        String::new()
    } else {
        format!(" --socket {}", quoted_path(socket))
    };
    format!(
        "agent-authd {version} is ready
  socket     {socket}
  redirects  {redirect_base}
  vault      {vault}
  key        {key}
Next, in another terminal:
  {command}{flag} provider add --help
",
        version = env!("CARGO_PKG_VERSION"),
        socket = socket.display(),
        vault = config.data_dir.display(),
        key = config.key_file.display(),
    )
}

/// How to call `agent-auth` from the current folder.
fn client_command() -> String {
    let program = std::env::current_exe().ok();
    let beside = program.map(|program| program.with_file_name(CLIENT));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path)
        .map(|folder| folder.join(CLIENT))
        .find(|file| file.is_file());
    let here = std::env::current_dir().unwrap_or_default();
    command_for(beside.filter(|file| file.is_file()), on_path, &here)
}

/// The name, if that runs the program `beside` the daemon or there is none; else the
/// path of that program, relative to the folder `here` if it is below it.
fn command_for(beside: Option<PathBuf>, on_path: Option<PathBuf>, here: &Path) -> String {
    let real = |file: &PathBuf| file.canonicalize().ok();
    let Some(beside) = beside else {
        return CLIENT.to_owned();
    };
    if on_path.is_some_and(|found| real(&found) == real(&beside)) {
        return CLIENT.to_owned();
    }
    match beside.strip_prefix(here) {
        Ok(name) if name == Path::new(CLIENT) => format!("./{CLIENT}"),
        Ok(relative) => quoted_path(relative),
        Err(_) => quoted_path(&beside),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn the_client_command_works_from_the_current_folder() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        let release = here.join("target/release");
        std::fs::create_dir_all(&release).unwrap();
        let beside = release.join(CLIENT);
        let other = here.join(CLIENT);
        for file in [&beside, &other] {
            File::create(file).unwrap();
        }
        let command = |on_path: Option<&PathBuf>, here: &Path| {
            command_for(Some(beside.clone()), on_path.cloned(), here)
        };
        assert_eq!(command(None, here), "target/release/agent-auth");
        assert_eq!(command(None, &release), "./agent-auth");
        assert_eq!(command(None, Path::new("/elsewhere")), quoted_path(&beside));
        assert_eq!(command(Some(&beside), here), "agent-auth");
        // Another version on PATH may not fit this daemon.
        assert_eq!(command(Some(&other), here), "target/release/agent-auth");
        assert_eq!(command_for(None, None, here), "agent-auth");
    }
}
