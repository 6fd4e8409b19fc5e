//! For how long a grant could still be lost by a kill after its provider has
//! answered: from the answer until the new pair is durable, for 1, 20 and 200
//! answers that come at the same time. `cargo bench --bench refresh_window`.
//!
//! The daemon is the real binary in temporary folders; `TMPDIR` chooses the disk.
//! The provider collects the requests of a round, then answers all of them.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program that measures and prints"
)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use agent_authd::client::{Client, NewProvider, TokenImport, send};
use agent_authd::identity::{ProviderId, Scopes};
use agent_authd::secret::{AccessToken, RefreshToken};
use http_body_util::Full;
use hyper::Request;
use rusqlite::Connection;
use serde_json::json;

/// Enough for a worst case that means something, in half a minute.
const ROUNDS: i64 = 15;

/// Refreshes at one provider at a time: fewer than the daemon sends at once.
const PER_PROVIDER: usize = 20;

/// The answers' `expires_in`, in seconds: the next round finds them expired.
const LIFE: u64 = 1;

/// How long a round may take.
const LIMIT: Duration = Duration::from_secs(60);

/// The daemon and its folder, which end with it.
struct Daemon {
    child: Child,
    folder: tempfile::TempDir,
}

impl Daemon {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::main]
async fn main() {
    println!(
        "from a provider's answer until it is durable, the longest of a round; {ROUNDS} rounds"
    );
    for tokens in [1, 20, 200] {
        let mut windows = windows(tokens).await;
        windows.sort();
        let millis = |index: usize| windows[index].as_secs_f64() * 1000.0;
        println!(
            "{tokens:>3} at once: best {:>6.1} ms, median {:>6.1} ms, worst {:>6.1} ms",
            millis(0),
            millis(windows.len() / 2),
            millis(windows.len() - 1),
        );
    }
}

/// The longest window of each round in which `tokens` tokens are refreshed.
async fn windows(tokens: usize) -> Vec<Duration> {
    let provider = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", provider.local_addr().unwrap());
    let daemon = start_daemon().await;
    let socket = daemon.path("run/s");
    let calls = store_tokens(&Client::new(socket.clone()), &address, tokens).await;
    let (answered, answers) = mpsc::channel();
    std::thread::spawn(move || answer_rounds(&provider, tokens, &answered));
    let mut windows = Vec::new();
    for round in 1..=ROUNDS {
        for (provider_id, token_id) in &calls {
            tokio::spawn(ask(socket.clone(), provider_id.clone(), token_id.clone()));
        }
        let vault = daemon.path("data/vault.db");
        let durable = tokio::task::spawn_blocking(move || durable_at(&vault, round, tokens));
        let durable = durable.await.unwrap();
        let answered = answers.recv().unwrap();
        let each = durable.iter().zip(answered);
        let longest = each.map(|(durable, answered)| durable.saturating_duration_since(answered));
        windows.push(longest.max().unwrap());
        tokio::time::sleep(Duration::from_secs(LIFE + 1)).await;
    }
    windows
}

async fn start_daemon() -> Daemon {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("config.toml"), "refresh_active_within = 0\n").unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_agent-authd"))
        .args(["--redirect-listen", "127.0.0.1:0", "--log-level", "warn"])
        .arg("--config")
        .arg(at("config.toml"))
        .arg("--socket")
        .arg(at("run/s"))
        .arg("--data-dir")
        .arg(at("data"))
        .arg("--key-file")
        .arg(at("key/vault.key"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let daemon = Daemon { child, folder };
    let client = Client::new(daemon.path("run/s"));
    while client.ok().await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    daemon
}

/// Stores expired tokens of as many clients as it takes; how to ask for each.
async fn store_tokens(client: &Client, address: &str, tokens: usize) -> Vec<(ProviderId, String)> {
    let mut stored = Vec::new();
    for number in 0..tokens {
        let name = format!("p{}", number / PER_PROVIDER);
        let provider_id = ProviderId::parse(&name).unwrap();
        if number % PER_PROVIDER == 0 {
            let provider = NewProvider {
                provider_id: provider_id.clone(),
                name: name.clone(),
                client_id: name,
                client_secret: None,
                auth_url: format!("{address}/authorize"),
                token_url: format!("{address}/token"),
                uses_pkce: None,
                provider_type: None,
                token_endpoint_auth_method: None,
                authorization_params: BTreeMap::new(),
                allowed_redirect_uris: Vec::new(),
            };
            client.create_provider(&provider).await.unwrap();
        }
        let token = TokenImport {
            provider_id: provider_id.clone(),
            access_token: AccessToken::new("a".repeat(64)),
            refresh_token: Some(RefreshToken::new(format!("first-{number}"))),
            expires_in_seconds: Some(0),
            scopes: Scopes::new(["read"]),
        };
        let imported = client.import_token(&token).await.unwrap();
        stored.push((provider_id, imported.token_id));
    }
    stored
}

/// Asks for a token; the answer is of no interest here.
async fn ask(socket: PathBuf, provider_id: ProviderId, token_id: String) {
    let body = json!({"provider": provider_id, "scopes": ["read"], "token_id": token_id});
    let request = Request::post("/v2/auth/authenticate")
        .header("content-type", "application/json")
        .body(Full::new(body.to_string().into()));
    let _ = send(&socket, request.unwrap()).await;
}

/// Collects `tokens` requests and answers all of them, again and again; gives
/// the times at which the answers of each round were sent.
fn answer_rounds(provider: &TcpListener, tokens: usize, answered: &mpsc::Sender<Vec<Instant>>) {
    let mut count = 0;
    loop {
        let waiting: Vec<_> = (0..tokens)
            .map(|_| read_request(provider.accept().unwrap().0))
            .collect();
        let times = waiting.into_iter().map(|stream| {
            count += 1;
            answer(stream, count)
        });
        if answered.send(times.collect()).is_err() {
            return;
        }
    }
}

fn read_request(stream: TcpStream) -> TcpStream {
    let mut reader = BufReader::new(&stream);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line).unwrap() > 2 {
        let header = line.to_ascii_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
    stream
}

fn answer(mut stream: TcpStream, count: u64) -> Instant {
    let body = json!({
        "access_token": format!("access-{count:060}"),
        "refresh_token": format!("refresh-{count:060}"),
        "token_type": "Bearer",
        "expires_in": LIFE,
    })
    .to_string();
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes()).unwrap();
    Instant::now()
}

/// When each of a round's new pairs could be seen by another connection.
fn durable_at(vault: &Path, round: i64, tokens: usize) -> Vec<Instant> {
    let vault = Connection::open(vault).unwrap();
    let query = "SELECT count(*) FROM tokens WHERE generation > ?1";
    let mut statement = vault.prepare(query).unwrap();
    let mut seen = Vec::new();
    let started = Instant::now();
    while seen.len() < tokens {
        assert!(
            started.elapsed() < LIMIT,
            "{} of {tokens} are stored",
            seen.len()
        );
        let stored: i64 = statement.query_row([round], |row| row.get(0)).unwrap();
        seen.resize(usize::try_from(stored).unwrap(), Instant::now());
        std::thread::sleep(Duration::from_millis(1));
    }
    seen
}
