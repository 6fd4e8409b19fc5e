//! A program at a terminal of its own: what it shows is read, and what a person
//! types is sent to it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use nix::pty::openpty;
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

/// How long one step of a program may take, on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// `agent-auth` at a terminal. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Terminal {
    child: Child,
    keyboard: File,
    screen: UnboundedReceiver<Vec<u8>>,
    shown: String,
    /// Up to where of `shown` was waited for.
    seen: usize,
}

impl Terminal {
    /// Starts `agent-auth` with these words, for the daemon at `socket`.
    pub(crate) fn run(socket: &Path, words: &[&str]) -> Self {
        let pty = openpty(None, None).unwrap();
        let end = || pty.slave.try_clone().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_agent-auth"))
            .env("AGENT_AUTH_SOCK", socket)
            // One that starts, and shows nobody a page.
            .env("BROWSER", "/bin/true")
            .args(words)
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let keyboard = File::from(pty.master);
        let mut reader = keyboard.try_clone().unwrap();
        let (sender, screen) = unbounded_channel();
        // Ends with the program, when nothing holds the other end any more.
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            keyboard,
            screen,
            shown: String::new(),
            seen: 0,
        }
    }

    /// Waits until the program shows `text`, after what was waited for before;
    /// what it showed up to the end of that.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.shown[self.seen..].find(text) {
                let from = self.seen;
                self.seen += at + text.len();
                return self.shown[from..self.seen].to_owned();
            }
            match timeout(LIMIT, self.screen.recv()).await {
                Ok(Some(bytes)) => self.shown.push_str(&String::from_utf8_lossy(&bytes)),
                Ok(None) => panic!("it ended without {text:?}: {}", self.shown),
                Err(_) => panic!("it does not show {text:?}: {}", self.shown),
            }
        }
    }

    /// Types a line.
    pub(crate) fn type_line(&mut self, line: &str) {
        writeln!(self.keyboard, "{line}").unwrap();
    }

    /// Waits for the program to end; how it ended, and all that it showed.
    pub(crate) async fn ended(mut self) -> (ExitStatus, String) {
        let status = timeout(LIMIT, self.child.wait()).await.unwrap().unwrap();
        while let Some(bytes) = timeout(LIMIT, self.screen.recv()).await.unwrap() {
            self.shown.push_str(&String::from_utf8_lossy(&bytes));
        }
        (status, self.shown.replace("\r\n", "\n"))
    }
}
