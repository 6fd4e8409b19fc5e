//! What a restart costs those who ask meanwhile, with and without a service
//! manager that holds the socket.

use std::fs::{DirBuilder, File, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use agent_authd::client::Client;
use nix::sys::signal::{Signal, kill};

use crate::support::callers::{Callers, Met};
use crate::support::daemon::{Binary, Home};
use crate::support::provider::{Provider, Rotation};
use crate::support::waiting::until;

/// How many programs ask at the same time.
const CALLERS: usize = 30;

/// A provider and a token of it at the daemon of `client`.
async fn store_token(client: &Client) -> Provider {
    let provider = Provider::start(Rotation::Strict, 3600);
    let registration = provider.registration();
    client.create_provider(&registration).await.unwrap();
    client.import_token(&provider.import(3600)).await.unwrap();
    provider
}

/// Returns when `callers` have made some more calls.
async fn some_calls(callers: &Callers) {
    let before = callers.calls();
    until("a hundred calls", async || callers.calls() > before + 100).await;
}

/// A service manager: holds the socket, and starts daemons that inherit it
/// (sd_listen_fds(3)).
struct Manager<'a> {
    home: &'a Home,
    listener: UnixListener,
}

impl<'a> Manager<'a> {
    fn new(home: &'a Home) -> Self {
        let path = home.socket();
        let folder = path.parent().unwrap();
        DirBuilder::new().mode(0o700).create(folder).unwrap();
        let listener = UnixListener::bind(&path).unwrap();
        let private = Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, private).unwrap();
        Self { home, listener }
    }

    async fn start(&self) -> Binary {
        let socket = self.listener.try_clone().unwrap();
        let path = self.home.path("log");
        let log = File::options().append(true).create(true).open(path);
        Binary::start_with(self.home, |command| {
            let script = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\"";
            let mut shell = Command::new("sh");
            shell.args(["-c", script]).arg(command.get_program());
            shell.args(command.get_args());
            shell.stdin(std::os::fd::OwnedFd::from(socket));
            shell.stdout(Stdio::null()).stderr(log.unwrap());
            *command = shell;
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_service_manager_a_restart_loses_no_request_and_refuses_no_connection() {
    let home = Home::new();
    let manager = Manager::new(&home);
    let mut daemon = manager.start().await;
    let _provider = store_token(daemon.client()).await;
    let callers = Callers::start(&home.socket(), CALLERS);
    for _ in 0..10 {
        some_calls(&callers).await;
        assert!(daemon.stop().await.success());
        daemon = manager.start().await;
    }
    some_calls(&callers).await;
    let met = callers.end();
    println!("{met:?}");
    assert_eq!(met.lost, Vec::<String>::new());
    assert_eq!(met.refused, 0);
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_one_a_restart_loses_no_request_and_refuses_connections_for_a_moment() {
    let home = Home::new();
    let mut daemon = Binary::start(&home).await;
    let _provider = store_token(daemon.client()).await;
    let callers = Callers::start(&home.socket(), CALLERS);
    for _ in 0..10 {
        some_calls(&callers).await;
        assert!(daemon.stop().await.success());
        daemon = Binary::start(&home).await;
    }
    some_calls(&callers).await;
    let Met {
        answers,
        lost,
        closed_when_idle,
        refused,
        longest_outage,
    } = callers.end();
    println!(
        "{answers} answers, {closed_when_idle} idle connections closed, {refused} connects refused, {longest_outage:?} at most"
    );
    assert_eq!(lost, Vec::<String>::new());
    // A debug build on a busy machine takes about a second to start.
    assert!(
        longest_outage < Duration::from_secs(10),
        "{longest_outage:?}"
    );
    assert!(daemon.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_starts_waits_for_the_one_that_stops() {
    let home = Home::new();
    let mut old = Binary::start(&home).await;
    let _provider = store_token(old.client()).await;
    let callers = Callers::start(&home.socket(), CALLERS);
    for _ in 0..3 {
        some_calls(&callers).await;
        kill(old.pid(), Signal::SIGTERM).unwrap();
        let new = Binary::start(&home).await;
        assert!(old.ended().await.success());
        old = new;
    }
    some_calls(&callers).await;
    let met = callers.end();
    println!("{met:?}");
    assert_eq!(met.lost, Vec::<String>::new());
    assert!(old.stop().await.success());
}
