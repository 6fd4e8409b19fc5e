//! The daemon in temporary folders: inside the test, with a clock that the
//! test moves, or as the real binary, which can be killed. Gone when dropped,
//! and searched for secrets before.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use agent_authd::Daemon;
use agent_authd::client::Client;
use agent_authd::clock::Env;
use agent_authd::internals::config::Config;
use agent_authd::internals::config::args::Flags;
use agent_authd::internals::process;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::canary;

/// How long a daemon may take to serve, on a machine that is busy.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Where one installation lies; several daemons can live there, one after the
/// other.
#[derive(Debug)]
pub(crate) struct Home {
    folder: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self::with_settings("")
    }

    /// One whose settings' file has these lines.
    pub(crate) fn with_settings(lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.toml"), lines).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("run/s")
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.socket())
    }

    /// What the binary wrote to its log, all of its lives together.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn flags(&self) -> Flags {
        Flags {
            socket: Some(self.socket()),
            data_dir: Some(self.path("data")),
            key_file: Some(self.path("key/vault.key")),
            redirect_listen: Some("127.0.0.1:0".parse().unwrap()),
            config: Some(self.path("config.toml")),
            ..Flags::default()
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // A second panic would hide the first.
        if !std::thread::panicking() {
            let places = ["log", "data", "run"].map(|name| self.path(name));
            let found = canary::found(&places, &self.path("key/vault.key"));
            assert!(found.is_empty(), "secrets in clear: {found:?}");
        }
    }
}

/// A daemon inside the test.
#[derive(Debug)]
pub(crate) struct InProcess {
    daemon: Daemon,
    client: Client,
}

impl InProcess {
    /// Starts one; it serves when this returns.
    pub(crate) async fn start(home: &Home, env: Env) -> Self {
        let config = Config::resolve(&home.flags()).unwrap();
        let daemon = process::start(&config, env).await.unwrap();
        let client = home.client();
        client.ok().await.unwrap();
        Self { daemon, client }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) async fn stop(self) {
        self.daemon.shutdown().await;
    }
}

/// The binary as a process of its own.
#[derive(Debug)]
pub(crate) struct Binary {
    child: Child,
    client: Client,
}

impl Binary {
    /// Starts one; it serves when this returns.
    pub(crate) async fn start(home: &Home) -> Self {
        Self::start_with(home, |_| {}).await
    }

    /// The same, after `adjust` had its way with the command.
    pub(crate) async fn start_with(home: &Home, adjust: impl FnOnce(&mut Command)) -> Self {
        let mut daemon = Self::spawn_with(home, adjust);
        let serves = async {
            while daemon.client.ok().await.is_err() {
                if let Some(status) = daemon.child.try_wait().unwrap() {
                    panic!("the daemon ended with {status}: {}", home.log());
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(TIMEOUT, serves).await.is_err() {
            panic!("the daemon does not serve: {}", home.log());
        }
        daemon
    }

    /// Starts one and waits for nothing.
    pub(crate) fn spawn_with(home: &Home, adjust: impl FnOnce(&mut Command)) -> Self {
        let log = File::options()
            .create(true)
            .append(true)
            .open(home.path("log"))
            .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_agent-authd"));
        command
            .arg("--config")
            .arg(home.path("config.toml"))
            .arg("--socket")
            .arg(home.socket())
            .arg("--data-dir")
            .arg(home.path("data"))
            .arg("--key-file")
            .arg(home.path("key/vault.key"))
            .args(["--redirect-listen", "127.0.0.1:0", "--log-level", "trace"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        adjust(&mut command);
        Self {
            child: command.spawn().unwrap(),
            client: home.client(),
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap())
    }

    /// `kill -9`, and its end.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and its end.
    pub(crate) async fn stop(self) -> ExitStatus {
        kill(self.pid(), Signal::SIGTERM).unwrap();
        self.ended().await
    }

    /// Waits for it to end by itself.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        let ended = async {
            loop {
                match self.child.try_wait().unwrap() {
                    Some(status) => return status,
                    None => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        tokio::time::timeout(TIMEOUT * 2, ended).await.unwrap()
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
