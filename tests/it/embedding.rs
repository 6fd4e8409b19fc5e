//! The daemon inside another program: what it leaves alone, and which errors it
//! gives.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use agent_authd::Daemon;
use agent_authd::client::Authenticate;
use agent_authd::daemon::{Builder, Error, PlatformProvider};
use agent_authd::identity::{ProviderId, Scopes};
use tempfile::TempDir;

fn builder(folder: &TempDir) -> Builder {
    Daemon::builder()
        .data_dir(folder.path().join("tokens"))
        .redirect_address("127.0.0.1:0".parse().unwrap())
}

/// What the kernel says of this process that a program around a daemon sets: its
/// umask, the signals that it handles, whether it is confined, its limits.
#[cfg(target_os = "linux")]
fn process_state() -> Vec<String> {
    let wanted = [
        "Umask",
        "SigBlk",
        "SigIgn",
        "SigCgt",
        "NoNewPrivs",
        "Seccomp:",
    ];
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let is_wanted = |line: &&str| wanted.iter().any(|name| line.starts_with(name));
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let dumpable = nix::sys::prctl::get_dumpable().unwrap();
    let lines = status.lines().filter(is_wanted).chain(limits.lines());
    let mut lines: Vec<_> = lines.map(str::to_owned).collect();
    lines.push(format!("dumpable: {dumpable}"));
    lines
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_embedded_daemon_leaves_the_process_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let before = process_state();
    assert!(before.len() > 10, "{before:?}");
    let daemon = builder(&folder).start().await.unwrap();
    daemon.client().ok().await.unwrap();
    assert_eq!(process_state(), before);
    let socket = fs::metadata(daemon.socket()).unwrap();
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    daemon.shutdown().await;
    assert_eq!(process_state(), before);
}

#[tokio::test]
async fn a_second_daemon_in_the_same_place_is_a_typed_error() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = builder(&folder).start().await.unwrap();
    let same = builder(&folder).start().await.unwrap_err();
    let own = Some(std::process::id());
    assert!(
        matches!(&same, Error::SocketInUse { pid, .. } if *pid == own),
        "{same:?}"
    );
    let beside = builder(&folder).socket(folder.path().join("s"));
    let held = beside.start().await.unwrap_err();
    assert!(
        matches!(&held, Error::VaultInUse { pid, .. } if *pid == own),
        "{held:?}"
    );
    let taken = daemon.redirect_base().strip_prefix("http://").unwrap();
    let other = tempfile::tempdir().unwrap();
    let busy = builder(&other).redirect_address(taken.parse().unwrap());
    let busy = busy.start().await.unwrap_err();
    assert!(
        matches!(busy, Error::RedirectAddressInUse { .. }),
        "{busy:?}"
    );
    daemon.shutdown().await;
}

#[tokio::test]
async fn a_daemon_that_is_shut_down_or_dropped_can_be_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = builder(&folder).start().await.unwrap();
    daemon.shutdown().await;
    let daemon = builder(&folder).start().await.unwrap();
    drop(daemon);
    let daemon = builder(&folder).start().await.unwrap();
    daemon.client().ok().await.unwrap();
    daemon.shutdown().await;
}

#[tokio::test]
async fn a_platform_provider_is_offered_from_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = "https://auth.example.com/oauth";
    let provider = PlatformProvider::new("example", "client", endpoint, endpoint);
    let daemon = builder(&folder).platform_provider(provider);
    let daemon = daemon.start().await.unwrap();
    let client = daemon.client();
    let offered = client.platform_providers().await.unwrap();
    assert_eq!(offered.len(), 1);
    let wanted = Authenticate::new(ProviderId::parse("example").unwrap(), Scopes::default());
    let answer = client.authenticate(&wanted).await.unwrap();
    assert!(answer.url.unwrap().starts_with(endpoint));
    daemon.shutdown().await;
}
