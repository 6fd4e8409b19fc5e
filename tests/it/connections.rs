//! Connections that stay open: what closes them, and that no request is lost
//! with one, nor with a restart.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use agent_authd::client::{Authenticate, Client};
use agent_authd::identity::{ProviderId, Scopes};

use crate::support::daemon::{Binary, Home};
use crate::support::provider::{PROVIDER_ID, Provider, Rotation};
use crate::support::stage::Stage;

/// How long a test waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A client that keeps its connection.
struct Connection(UnixStream);

impl Connection {
    fn open(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        Self(stream)
    }

    fn send(&mut self, request: &str) {
        self.0.write_all(request.as_bytes()).unwrap();
    }

    /// The head of the next answer; its body is read too.
    fn head(&mut self) -> String {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            self.0.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).unwrap();
        let length = length.split("\r\n").next().unwrap().parse().unwrap();
        self.0.read_exact(&mut vec![0; length]).unwrap();
        head
    }

    /// Whether the other end has closed it and sent nothing more.
    fn is_closed(&mut self) -> bool {
        match self.0.read(&mut [0]) {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }
}

const GET: &str = "GET /ok HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn post(path: &str, length: usize, more: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{more}\r\n"
    )
}

fn closes(head: &str) -> bool {
    head.contains("\r\nconnection: close\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_does_not_take_the_next_one_with_it() {
    let stage = Stage::new().await;
    let mut connection = Connection::open(&stage.home.socket());
    let body = "x".repeat(50_000);
    for (path, status) in [("/nowhere", "404"), ("/v2/auth/providers", "422")] {
        connection.send(&post(path, body.len(), ""));
        std::thread::sleep(Duration::from_millis(10));
        connection.send(&body);
        let head = connection.head();
        assert!(head.contains(status) && !closes(&head), "{head}");
        connection.send(GET);
        assert!(connection.head().starts_with("http/1.1 200 "));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_after_which_the_connection_is_closed_says_so() {
    let stage = Stage::new().await;
    for (path, length, more) in [
        ("/v2/auth/providers", 10_000_000, ""),
        ("/nowhere", 10, "Expect: 100-continue\r\n"),
        ("/nowhere", 10, ""), // and never sent
    ] {
        let mut connection = Connection::open(&stage.home.socket());
        connection.send(&post(path, length, more));
        let head = connection.head();
        assert!(closes(&head), "{head}");
        assert!(connection.is_closed());
    }
    let mut connection = Connection::open(&stage.home.socket());
    connection.send(&format!("GET /{} HTTP/1.1\r\n", "x".repeat(17_000)));
    let mut answer = Vec::new();
    // The rest of what was sent is not read, which may break the connection.
    let _ = connection.0.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap().to_ascii_lowercase();
    assert!(closes(&answer), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_idle_connection_goes_when_places_run_out() {
    let stage = Stage::with_settings("max_connections = 3\n").await;
    let mut connections = [(); 3].map(|()| {
        let mut connection = Connection::open(&stage.home.socket());
        connection.send(GET);
        assert!(connection.head().starts_with("http/1.1 200 "));
        connection
    });
    assert!(connections[0].is_closed());
    for connection in &mut connections[1..] {
        connection.send(GET);
        assert!(connection.head().starts_with("http/1.1 200 "));
    }
}

/// On one thread: what is sent before the stop is seen by the daemon after it.
#[tokio::test]
async fn a_request_that_was_sent_before_a_stop_is_answered() {
    let stage = Stage::new().await;
    let socket = stage.home.socket();
    let (mut idle, mut new, silent) = (
        Connection::open(&socket),
        Connection::open(&socket),
        Connection::open(&socket),
    );
    idle.send(GET);
    // Lets the daemon answer it, and accept all three.
    stage.daemon.client().ok().await.unwrap();
    assert!(idle.head().starts_with("http/1.1 200 "));
    let mut waiting = Connection::open(&socket);
    for connection in [&mut idle, &mut new, &mut waiting] {
        connection.send(GET);
    }
    stage.daemon.stop().await;
    for connection in [&mut idle, &mut new, &mut waiting] {
        let head = connection.head();
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        assert!(closes(&head), "{head}");
        assert!(connection.is_closed());
    }
    let mut silent = silent;
    assert!(silent.is_closed());
    assert!(UnixStream::connect(&socket).is_err());
}

/// Asks for a stored token again and again.
async fn ask_until(client: Client, is_over: Arc<AtomicBool>, answers: Arc<AtomicUsize>) {
    let wanted = Authenticate {
        provider: ProviderId::parse(PROVIDER_ID).unwrap(),
        scopes: Scopes::new(["read"]),
        user_id: None,
        agent_id: None,
        check_only: false,
        force_new: false,
        newer_than: None,
        try_now: false,
    };
    while !is_over.load(Ordering::Acquire) {
        let answer = client.authenticate(&wanted).await.unwrap();
        assert!(answer.token.is_some());
        answers.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_loses_no_request() {
    let (home, provider) = (Home::new(), Provider::start(Rotation::Strict, 3600));
    let mut daemon = Binary::start(&home).await;
    let client = daemon.client();
    client
        .create_provider(&provider.registration())
        .await
        .unwrap();
    client.import_token(&provider.import(3600)).await.unwrap();
    let (is_over, answers) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let callers: Vec<_> = (0..4)
        .map(|_| ask_until(home.client(), Arc::clone(&is_over), Arc::clone(&answers)))
        .map(tokio::spawn)
        .collect();
    for _ in 0..3 {
        let before = answers.load(Ordering::Relaxed);
        crate::support::waiting::until("an answer", async || {
            answers.load(Ordering::Relaxed) > before + 20
        })
        .await;
        assert!(daemon.stop().await.success());
        daemon = Binary::start(&home).await;
    }
    is_over.store(true, Ordering::Release);
    for caller in callers {
        caller.await.unwrap();
    }
    println!(
        "{} requests through three restarts, none lost",
        answers.load(Ordering::Relaxed)
    );
    assert!(daemon.stop().await.success());
}
