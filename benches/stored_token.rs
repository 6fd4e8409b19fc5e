//! How fast a stored token is served, beside a bare hyper server that answers
//! every request with the same bytes: `cargo bench`.
//!
//! Both are processes of their own, asked over a Unix socket by the same client,
//! in turns; what is printed are microseconds per request and requests per
//! second. The daemon is the real binary in temporary folders.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program that measures and prints"
)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use agent_authd::client::{Client, NewProvider, TokenImport};
use agent_authd::identity::{ProviderId, Scopes};
use agent_authd::secret::AccessToken;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};

const QUESTION: &str = r#"{"provider": "example", "scopes": ["read"]}"#;
/// The argument that makes this program the server to compare with.
const SERVE_BARE: &str = "serve-bare";
const ROUNDS: usize = 5;
const REQUESTS: usize = 20_000;

/// A server and its folder, which end with it.
struct Server(
    Child,
    #[expect(dead_code, reason = "the folder goes with it")] tempfile::TempDir,
);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if let [serve, socket, answer] = &arguments[..]
        && serve == SERVE_BARE
    {
        let answer = std::fs::read(answer).unwrap().into();
        return runtime.block_on(serve_bare(Path::new(socket), answer));
    }
    runtime.block_on(async {
        let (_daemon, socket) = start_daemon().await;
        let (_bare, bare) = start_bare(&ask_once(&socket).await).await;
        for connections in [1, 8, 64] {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                theirs.push(measure(&bare, connections).await);
                ours.push(measure(&socket, connections).await);
            }
            report("bare hyper", connections, theirs);
            report("agent-authd", connections, ours);
        }
    });
}

async fn start_daemon() -> (Server, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let socket = at("run/agent-auth.sock");
    let child = Command::new(env!("CARGO_BIN_EXE_agent-authd"))
        .args(["--redirect-listen", "127.0.0.1:0", "--log-level", "warn"])
        .arg("--socket")
        .arg(&socket)
        .arg("--data-dir")
        .arg(at("data"))
        .arg("--key-file")
        .arg(at("key/vault.key"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let daemon = Server(child, folder);
    let client = Client::new(socket.clone());
    while client.info().await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let provider_id = ProviderId::parse("example").unwrap();
    let provider = NewProvider {
        provider_id: provider_id.clone(),
        name: "Example".into(),
        client_id: "client".into(),
        client_secret: None,
        auth_url: "https://example.com/authorize".into(),
        token_url: "https://example.com/token".into(),
        uses_pkce: None,
        provider_type: None,
        token_endpoint_auth_method: None,
        authorization_params: BTreeMap::new(),
        allowed_redirect_uris: Vec::new(),
    };
    client.create_provider(&provider).await.unwrap();
    let token = TokenImport {
        provider_id,
        access_token: AccessToken::new("a".repeat(64)),
        refresh_token: None,
        expires_in_seconds: None,
        scopes: Scopes::new(["read"]),
    };
    client.import_token(&token).await.unwrap();
    (daemon, socket)
}

async fn start_bare(answer: &[u8]) -> (Server, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (socket, answer_file) = (folder.path().join("sock"), folder.path().join("answer"));
    std::fs::write(&answer_file, answer).unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .arg(SERVE_BARE)
        .args([&socket, &answer_file])
        .spawn()
        .unwrap();
    while UnixStream::connect(&socket).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    (Server(child, folder), socket)
}

/// A server of the same crates that does nothing but answer.
async fn serve_bare(socket: &Path, answer: Bytes) {
    let listener = UnixListener::bind(socket).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let answer = answer.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = answer.clone();
            async move {
                request.into_body().collect().await.ok();
                Ok::<_, Infallible>(Response::new(Full::new(answer)))
            }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn connect(socket: &Path) -> SendRequest<Full<Bytes>> {
    let stream = UnixStream::connect(socket).await.unwrap();
    let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn ask(sender: &mut SendRequest<Full<Bytes>>) -> Bytes {
    let request = Request::post("/v2/auth/authenticate")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from_static(QUESTION.as_bytes())))
        .unwrap();
    sender.ready().await.unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    response.into_body().collect().await.unwrap().to_bytes()
}

async fn ask_once(socket: &Path) -> Bytes {
    ask(&mut connect(socket).await).await
}

/// Every request's time, and the time of all.
async fn measure(socket: &Path, connections: usize) -> (Vec<Duration>, Duration) {
    let started = Instant::now();
    let tasks: Vec<_> = (0..connections)
        .map(|_| {
            let socket = socket.to_owned();
            tokio::spawn(async move {
                let mut sender = connect(&socket).await;
                let mut times = Vec::with_capacity(REQUESTS / connections);
                for _ in 0..REQUESTS / connections {
                    let started = Instant::now();
                    ask(&mut sender).await;
                    times.push(started.elapsed());
                }
                times
            })
        })
        .collect();
    let mut times = Vec::with_capacity(REQUESTS);
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    (times, started.elapsed())
}

fn report(name: &str, connections: usize, rounds: Vec<(Vec<Duration>, Duration)>) {
    let mut per_second: Vec<f64> = rounds
        .iter()
        .map(|(times, all)| times.len() as f64 / all.as_secs_f64())
        .collect();
    per_second.sort_by(f64::total_cmp);
    let mut times: Vec<_> = rounds.into_iter().flat_map(|(times, _)| times).collect();
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_micros();
    println!(
        "{name:<12} {connections:>3} connections: {:>7.0} requests/s (median of {ROUNDS}), p50 {:>5} µs, p99 {:>5} µs",
        per_second[ROUNDS / 2],
        at(0.5),
        at(0.99),
    );
}
