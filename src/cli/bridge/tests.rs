//! The bridge, from outside: raw requests over TCP, a small daemon behind it.

use std::convert::Infallible;
use std::path::PathBuf;

use http_body_util::BodyExt as _;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixListener};

use super::*;
use crate::secret::ExposeSecret as _;

/// A bridge to a daemon that answers each request with its own head and body.
struct Stage {
    address: SocketAddr,
    key: String,
    _folder: TempDir,
}

impl Stage {
    async fn with_daemon() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("s")).unwrap();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let echo =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(echo));
                tokio::spawn(echo);
            }
        });
        Self::new(folder).await
    }

    async fn without_daemon() -> Self {
        Self::new(tempfile::tempdir().unwrap()).await
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a test plays the bridged program"
    )]
    async fn new(folder: TempDir) -> Self {
        let socket: PathBuf = folder.path().join("s");
        let bridge = Bridge::open(Client::new(socket), &Env::system())
            .await
            .unwrap();
        let stage = Self {
            address: bridge.relay.address,
            key: bridge.key().expose_secret().to_owned(),
            _folder: folder,
        };
        tokio::spawn(bridge.serve());
        stage
    }

    /// Sends a request with these header lines and body, and returns the answer.
    async fn ask(&self, headers: &[&str], body: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = headers.join("\r\n");
        let length = body.len();
        let request = format!(
            "POST /v2/auth/x?y=%20z HTTP/1.1\r\n{head}\r\nContent-Length: {length}\r\nConnection: close, X-Hop\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.ok();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok();
        String::from_utf8(answer).unwrap()
    }

    fn host(&self) -> String {
        format!("Host: {}", self.address)
    }

    fn key(&self) -> String {
        format!("X-API-Key: {}", self.key)
    }
}

async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let mut text = format!("{} {}\n", head.method, head.uri);
    for (name, value) in &head.headers {
        text.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
    }
    text.push_str(std::str::from_utf8(&body).unwrap());
    Ok(Response::builder()
        .status(StatusCode::ACCEPTED)
        .header(header::RETRY_AFTER, "7")
        .body(Full::new(Bytes::from(text)))
        .unwrap())
}

#[tokio::test]
async fn a_request_with_the_key_reaches_the_daemon_without_it() {
    let stage = Stage::with_daemon().await;
    let answer = stage
        .ask(
            &[
                &stage.host(),
                &stage.key(),
                "X-Hop: 1",
                "X-Kept: 2",
                "Expect: 100-continue",
            ],
            "{}",
        )
        .await;
    let (_, answer) = answer.split_once("HTTP/1.1 202").expect(&answer);
    assert!(answer.contains("\r\nretry-after: 7\r\n"), "{answer}");
    let (_, relayed) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(
        relayed,
        "POST /v2/auth/x?y=%20z\nx-kept: 2\nhost: localhost\ncontent-length: 2\n{}"
    );
}

#[tokio::test]
async fn a_request_without_exactly_the_key_is_refused() {
    let stage = Stage::with_daemon().await;
    let (host, key) = (stage.host(), stage.key());
    let cut = key[..key.len() - 1].to_owned();
    for headers in [
        vec![host.as_str()],
        vec![&host, "X-API-Key: "],
        vec![&host, &cut],
        vec![&host, &key, &key],
        vec![
            &host,
            "X-API-Key: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ],
    ] {
        let answer = stage.ask(&headers, "").await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{headers:?}: {answer}");
        assert!(answer.contains("{\"detail\":"), "{answer}");
    }
}

#[tokio::test]
async fn any_host_but_its_own_is_misdirected() {
    let stage = Stage::with_daemon().await;
    let (host, key) = (stage.host(), stage.key());
    let localhost = format!("Host: localhost:{}", stage.address.port());
    for headers in [
        vec![key.as_str()],
        vec![&key, "Host: 127.0.0.1"],
        vec![&key, &localhost],
        vec![&key, "Host: evil.example"],
        vec![&key, &host, "Host: evil.example"],
    ] {
        let answer = stage.ask(&headers, "").await;
        assert!(answer.starts_with("HTTP/1.1 421"), "{headers:?}: {answer}");
    }
}

#[tokio::test]
async fn a_browser_is_refused_even_with_the_key() {
    let stage = Stage::with_daemon().await;
    for header in ["Origin: null", "Referer: http://127.0.0.1/"] {
        let answer = stage.ask(&[&stage.host(), &stage.key(), header], "").await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    }
}

#[tokio::test]
async fn a_large_body_is_refused() {
    let stage = Stage::with_daemon().await;
    let fits = stage
        .ask(&[&stage.host(), &stage.key()], &"x".repeat(body::MAX_BYTES))
        .await;
    assert!(fits.starts_with("HTTP/1.1 202"));
    let answer = stage
        .ask(
            &[&stage.host(), &stage.key()],
            &"x".repeat(body::MAX_BYTES + 1),
        )
        .await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_daemon_that_is_gone_is_a_503_that_says_how_to_start_it() {
    let stage = Stage::without_daemon().await;
    let answer = stage.ask(&[&stage.host(), &stage.key()], "").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("retry-after: 1"), "{answer}");
    assert!(answer.contains("start it with `agent-authd`"), "{answer}");
}
