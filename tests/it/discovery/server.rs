//! A test server that is both an MCP server and its authorization server. It
//! answers each path as the test says, records its requests, and stops when
//! dropped.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// The answer to requests for a path.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// A status and a JSON body.
    Json(u16, Value),
    /// A status, a header and a body.
    Plain(u16, (&'static str, String), Vec<u8>),
    /// No response; the connection stays open.
    Silence,
    /// Ten megabytes of JSON, with or without a `Content-Length`.
    Huge { has_length: bool },
}

impl Answer {
    pub(super) fn redirect(to: impl Into<String>) -> Self {
        Self::Plain(302, ("Location", to.into()), Vec::new())
    }

    pub(super) fn html() -> Self {
        let page = b"<html>canary</html>".to_vec();
        Self::Plain(200, ("Content-Type", "text/html".to_owned()), page)
    }
}

/// Answers by path.
pub(super) type Answers = HashMap<String, Answer>;

/// A request: its line and its body.
pub(super) type ReceivedRequest = (String, Value);

/// The server.
#[derive(Debug)]
pub(super) struct TestServer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    is_over: AtomicBool,
    answers: Mutex<Answers>,
    requests: Mutex<Vec<ReceivedRequest>>,
    /// Connections that are never answered.
    kept: Mutex<Vec<TcpStream>>,
}

impl TestServer {
    /// Starts a server without answers: every path is 404.
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = Arc::new(Shared {
            address: listener.local_addr().unwrap(),
            is_over: AtomicBool::new(false),
            answers: Mutex::default(),
            requests: Mutex::default(),
            kept: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serving.is_over.load(Ordering::Acquire) {
                    break;
                }
                let shared = Arc::clone(&serving);
                std::thread::spawn(move || serve(&shared, stream).ok());
            }
        });
        Self { shared }
    }

    /// Starts a server that supports discovery: its 401 response names its
    /// metadata, and its authorization server has a path of its own.
    pub(super) fn working() -> Self {
        let server = Self::start();
        let at = |path: &str| server.url(path);
        let challenge = format!("Bearer resource_metadata=\"{}\"", at("/meta"));
        server.answer(
            "/mcp",
            Answer::Plain(401, ("WWW-Authenticate", challenge), Vec::new()),
        );
        server.answer_json("/meta", server.resource());
        server.answer_json(METADATA, server.metadata());
        server.answer(
            "/as/register",
            Answer::Json(201, json!({"client_id": "made"})),
        );
        server
    }

    /// The metadata of the MCP server.
    pub(super) fn resource(&self) -> Value {
        json!({"resource": self.url("/mcp"), "authorization_servers": [self.url("/as")]})
    }

    /// The metadata of the authorization server.
    pub(super) fn metadata(&self) -> Value {
        json!({
            "issuer": self.url("/as"),
            "authorization_endpoint": self.url("/as/authorize"),
            "token_endpoint": self.url("/as/token"),
            "registration_endpoint": self.url("/as/register"),
            "revocation_endpoint": self.url("/as/revoke"),
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "none"],
        })
    }

    pub(super) fn answer(&self, path: &str, answer: Answer) {
        self.shared
            .answers
            .lock()
            .unwrap()
            .insert(path.to_owned(), answer);
    }

    pub(super) fn answer_json(&self, path: &str, body: Value) {
        self.answer(path, Answer::Json(200, body));
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.shared.address)
    }

    /// The requests so far.
    pub(super) fn requests(&self) -> Vec<ReceivedRequest> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// The request lines so far.
    pub(super) fn lines(&self) -> Vec<String> {
        self.requests().into_iter().map(|(line, _)| line).collect()
    }
}

/// The path of the authorization server's metadata.
pub(super) const METADATA: &str = "/.well-known/oauth-authorization-server/as";

impl Drop for TestServer {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(self.shared.address);
    }
}

fn serve(shared: &Shared, mut stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        match header.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().unwrap();
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let body = serde_json::from_slice(&body)
        .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&body)));
    shared.requests.lock().unwrap().push((line, body));
    let answer = shared.answers.lock().unwrap().get(&path).cloned();
    write_answer(shared, &mut stream, answer)
}

fn write_answer(
    shared: &Shared,
    stream: &mut TcpStream,
    answer: Option<Answer>,
) -> std::io::Result<()> {
    let (status, (name, value), body) = match answer {
        None => (404, ("X-None", String::new()), Vec::new()),
        Some(Answer::Json(status, body)) => {
            let json = ("Content-Type", "application/json".to_owned());
            (status, json, body.to_string().into_bytes())
        }
        Some(Answer::Plain(status, header, body)) => (status, header, body),
        Some(Answer::Silence) => {
            shared.kept.lock().unwrap().push(stream.try_clone()?);
            return Ok(());
        }
        Some(Answer::Huge { has_length }) => {
            let length = 10 << 20;
            write!(stream, "HTTP/1.1 200 OK\r\n")?;
            if has_length {
                write!(stream, "Content-Length: {length}\r\n")?;
            }
            write!(stream, "Connection: close\r\n\r\n{{\"x\": \"")?;
            return stream.write_all(&vec![b'x'; length]);
        }
    };
    write!(
        stream,
        "HTTP/1.1 {status} Status\r\n{name}: {value}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(&body)
}
