//! A store that cannot be written: what can be read is handed out, no refresh
//! token is spent, the daemon says so, and all is well again by itself.
//!
//! These tests mount and trace, and so must run as root.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use agent_authd::client::replies::Health;
use agent_authd::client::{Authenticate, Client, Error};
use agent_authd::identity::ProviderId;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Binary, Home, daemon_with_token, in_clear, wanted};
use crate::support::clock::TestClock;
use crate::support::daemon::InProcess;
use crate::support::provider::{Provider, Rotation};

/// How long the daemon may take to see that the store is well again: one look
/// each three seconds, on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The provider whose token lives; that of the other one has expired.
const ALIVE: &str = "alive";

/// Where nothing is refreshed before somebody asks: the store must fail first.
pub(super) fn home() -> Home {
    Home::with_settings("refresh_active_within = 0\n")
}

fn alive() -> Authenticate {
    Authenticate {
        provider: ProviderId::parse(ALIVE).unwrap(),
        ..wanted()
    }
}

/// A daemon with a token that lives and one that must be refreshed.
pub(super) async fn daemon_with_two_tokens(home: &Home, provider: &Provider) -> Binary {
    provider.offer_revocation();
    let daemon = daemon_with_token(home, provider, 0).await;
    let mut registration = provider.registration();
    registration.provider_id = alive().provider;
    daemon
        .client()
        .create_provider(&registration)
        .await
        .unwrap();
    let mut import = provider.import(3600);
    import.provider_id = alive().provider;
    daemon.client().import_token(&import).await.unwrap();
    daemon
}

/// What must hold while the store cannot be written, for a cause that is named
/// with one of these words.
pub(super) async fn bears_it(home: &Home, daemon: &Binary, provider: &Provider, words: &[&str]) {
    let client = daemon.client();
    let names_it = |text: &str| words.iter().any(|word| text.contains(word));
    match client.authenticate(&wanted()).await {
        Err(Error::Refused {
            status,
            detail,
            retry_after: Some(_),
            ..
        }) if status == 503 => assert!(names_it(&detail), "{detail}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(provider.refreshes(), 0, "a refresh token was spent");
    // What cannot be deleted is not revoked either.
    match client.delete_tokens(&alive().provider).await {
        Err(Error::Refused { status, detail, .. }) if status == 503 => {
            assert!(names_it(&detail), "{detail}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(provider.revocations(), 0);
    let answer = client.authenticate(&alive()).await.unwrap();
    assert!(provider.accepts(&in_clear(&answer)));

    let info = client.info().await.unwrap();
    assert_eq!(info.status, Health::Degraded);
    assert!(names_it(&info.degraded_reason.unwrap()));
    let status = Command::new(env!("CARGO_BIN_EXE_agent-auth"))
        .args(["status", "--socket"])
        .arg(home.socket())
        .output()
        .unwrap();
    assert_eq!(status.status.code(), Some(1));
    let shown = String::from_utf8(status.stdout).unwrap();
    assert!(shown.contains("degraded: ") && names_it(&shown), "{shown}");
    assert_eq!(provider.refreshes(), 0, "a refresh token was spent");
}

/// Nobody asks for anything, and still it becomes well; then the token that
/// had to wait is refreshed, once.
pub(super) async fn heals(daemon: &Binary, provider: &Provider) {
    let client = daemon.client();
    let deadline = Instant::now() + TIMEOUT;
    while client.info().await.unwrap().status != Health::Ok {
        assert!(Instant::now() < deadline, "it stays degraded");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let refreshed = token_before(client, deadline + TIMEOUT).await;
    assert!(provider.accepts(&refreshed));
    assert_eq!(provider.refreshes(), 1);
    assert_eq!(provider.reuses(), 0);
}

/// The token, asked for as long as there is 503.
async fn token_before(client: &Client, deadline: Instant) -> String {
    loop {
        match client.authenticate(&wanted()).await {
            Ok(answer) => return in_clear(&answer),
            Err(Error::Refused { status, .. }) if status == 503 && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// A file system of its own; gone when dropped.
pub(super) struct Mount(PathBuf);

impl Mount {
    pub(super) fn tmpfs(at: PathBuf, options: &str) -> Self {
        fs::create_dir_all(&at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(&at)
            .status()
            .unwrap();
        assert!(
            mounted.success(),
            "this test needs to mount a tmpfs: run the suite as root, with CAP_SYS_ADMIN"
        );
        Self(at)
    }

    pub(super) fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let done = Command::new("mount")
            .args(["-o", &options])
            .arg(&self.0)
            .status();
        assert!(done.unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: whoever has a file open in it is about to end.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Writes until nothing more fits.
pub(super) fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    for size in [4096, 1] {
        while file.write_all(&vec![b'x'; size]).is_ok() {}
    }
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_spent_and_what_lives_is_handed_out() {
    let (home, provider) = (home(), Provider::start(Rotation::Strict, 3600));
    let _mount = Mount::tmpfs(home.path("data"), "size=2m,mode=700");
    let daemon = daemon_with_two_tokens(&home, &provider).await;
    fill(&home.path("data/filler"));
    bears_it(&home, &daemon, &provider, &["disk is full"]).await;
    fs::remove_file(home.path("data/filler")).unwrap();
    heals(&daemon, &provider).await;
    daemon.stop().await;
}

#[tokio::test]
async fn degraded_is_over_three_seconds_after_the_cure() {
    let (home, clock) = (home(), TestClock::new());
    let _mount = Mount::tmpfs(home.path("data"), "size=2m,mode=700");
    let daemon = InProcess::start(&home, clock.env()).await;
    let provider = Provider::start(Rotation::Strict, 3600);
    fill(&home.path("data/filler"));
    let refused = daemon
        .client()
        .create_provider(&provider.registration())
        .await;
    assert!(refused.is_err());
    let status = async || daemon.client().info().await.unwrap().status;
    assert_eq!(status().await, Health::Degraded);
    fs::remove_file(home.path("data/filler")).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    clock.pass(3);
    while status().await != Health::Ok {
        assert!(Instant::now() < deadline, "it stays degraded");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    daemon.stop().await;
}

/// strace at a daemon, letting some of its system calls fail. They succeed
/// again when it is dropped.
struct Failing(Child);

impl Failing {
    fn inject(daemon: &Binary, calls: &str, error: &str) -> Self {
        let mut strace = Command::new("strace")
            .args(["-f", "-o", "/dev/null", "-p", &daemon.pid().to_string()])
            .args(["-e", &format!("trace={calls}")])
            .args(["-e", &format!("inject={calls}:error={error}")])
            .stderr(Stdio::piped())
            .spawn()
            .expect("strace is needed: apt-get install strace");
        let mut said = BufReader::new(strace.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert!(
            line.contains("attached"),
            "this test needs to trace a closed process: run the suite as root, with CAP_SYS_PTRACE ({line})"
        );
        // What else it says must not fill the pipe.
        std::thread::spawn(move || said.lines().map_while(Result::ok).for_each(drop));
        Self(strace)
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.0.id().try_into().unwrap());
        // Told to end, it lets the daemon go on; it may have ended already.
        let _ = kill(pid, Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn when_flushing_fails_nothing_is_spent_and_what_lives_is_handed_out() {
    let (home, provider) = (home(), Provider::start(Rotation::Strict, 3600));
    let daemon = daemon_with_two_tokens(&home, &provider).await;
    let failing = Failing::inject(&daemon, "fsync,fdatasync", "EIO");
    bears_it(&home, &daemon, &provider, &["disk I/O error"]).await;
    drop(failing);
    heals(&daemon, &provider).await;
}

#[tokio::test]
async fn when_the_disk_turns_read_only_nothing_is_spent_and_what_lives_is_handed_out() {
    let (home, provider) = (home(), Provider::start(Rotation::Strict, 3600));
    let daemon = daemon_with_two_tokens(&home, &provider).await;
    // The kernel refuses a remount while a file is open for writing; when it
    // gives up on a broken disk, the calls fail like this.
    let failing = Failing::inject(&daemon, "pwrite64,ftruncate,fallocate", "EROFS");
    bears_it(&home, &daemon, &provider, &["readonly", "disk I/O error"]).await;
    drop(failing);
    heals(&daemon, &provider).await;
}
