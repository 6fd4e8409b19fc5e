//! Announces that the daemon serves: to systemd, and to the person who started it.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sd_notify::NotifyState;

use crate::config::log::LogFormat;
use crate::config::{self, Config};
use crate::daemon::Daemon;

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
        let _ = io::stdout().write_all(greeting(config, socket, redirect_base).as_bytes());
    }
}

/// Tells systemd that the daemon is stopping.
pub(super) fn stopping() {
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
}

fn greeting(config: &Config, socket: &Path, redirect_base: &str) -> String {
    let command = client_command();
    // Clients find the usual socket by themselves.
    let is_usual = config::socket(None).is_ok_and(|usual| usual == socket);
    let named = if is_usual {
        String::new()
    } else {
        format!(" --socket {}", socket.display())
    };
    format!(
        "agent-authd {version} is ready
  socket     {socket}
  redirects  {redirect_base}
  vault      {vault}
  key        {key}
Next, in another terminal:
  {command}{named} provider add --help
",
        version = env!("CARGO_PKG_VERSION"),
        socket = socket.display(),
        vault = config.data_dir.display(),
        key = config.key_file.display(),
    )
}

/// How a shell calls the command line that belongs to this daemon: by its name
/// where `PATH` has it, else by its path beside the daemon.
fn client_command() -> String {
    const NAME: &str = "agent-auth";
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join(NAME).is_file()) {
        return NAME.to_owned();
    }
    let beside = std::env::current_exe()
        .ok()
        .map(|exe| exe.with_file_name(NAME));
    let beside = beside.filter(|path: &PathBuf| path.is_file());
    beside.map_or_else(|| NAME.to_owned(), |path| path.display().to_string())
}
