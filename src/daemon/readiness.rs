//! Saying that the daemon serves: to systemd, and to the person who started it.

use std::io::{self, Write as _};
use std::path::Path;

use sd_notify::NotifyState;

use super::{Running, client_command};
use crate::config::log::LogFormat;
use crate::config::{self, Config};

/// Says where everything is and what to type next.
pub(super) fn announce(config: &Config, running: &Running) {
    let (socket, redirect_base) = (running.socket(), running.redirect_base());
    // What `systemctl status` shows.
    let status = format!("serving {}, redirects at {redirect_base}", socket.display());
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"), socket = %socket.display(), redirect_base, "ready"
    );
    if config.log_format == LogFormat::Text {
        // The daemon serves whether or not anybody reads this.
        let _ = io::stdout().write_all(greeting(config, socket, redirect_base).as_bytes());
    }
}

/// Says that the daemon is ending.
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
