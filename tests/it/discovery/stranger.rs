//! Servers that nobody vouches for: one address that is an MCP server and the
//! authorization server of its callers, and answers each path as a test laid
//! down. Remembers what it was asked. Gone when dropped.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// What a path answers.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// A status and a JSON body.
    Json(u16, Value),
    /// A status, a header and a body.
    Plain(u16, (&'static str, String), Vec<u8>),
    /// Nothing, with the connection left open.
    Silence,
    /// Ten megabytes of JSON, said to be as many or not.
    Huge { says_so: bool },
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
pub(super) type Asked = (String, Value);

/// The server.
#[derive(Debug)]
pub(super) struct Stranger {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    is_over: AtomicBool,
    answers: Mutex<Answers>,
    asked: Mutex<Vec<Asked>>,
    /// Connections that are never answered.
    kept: Mutex<Vec<TcpStream>>,
}

impl Stranger {
    /// One that knows no path.
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = Arc::new(Shared {
            address: listener.local_addr().unwrap(),
            is_over: AtomicBool::new(false),
            answers: Mutex::default(),
            asked: Mutex::default(),
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

    /// One that does all that a good MCP server does: its metadata is named by
    /// its refusal, its authorization server has a path of its own.
    pub(super) fn good() -> Self {
        let stranger = Self::start();
        let at = |path: &str| stranger.url(path);
        let challenge = format!("Bearer resource_metadata=\"{}\"", at("/meta"));
        stranger.answer(
            "/mcp",
            Answer::Plain(401, ("WWW-Authenticate", challenge), Vec::new()),
        );
        stranger.answer_json("/meta", stranger.resource());
        stranger.answer_json(METADATA, stranger.metadata());
        stranger.answer(
            "/as/register",
            Answer::Json(201, json!({"client_id": "made"})),
        );
        stranger
    }

    /// The good one's metadata.
    pub(super) fn resource(&self) -> Value {
        json!({"resource": self.url("/mcp"), "authorization_servers": [self.url("/as")]})
    }

    /// The metadata of its authorization server.
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

    /// What it was asked so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// The lines of what it was asked.
    pub(super) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|(line, _)| line).collect()
    }
}

/// Where the good one's authorization server has its metadata.
pub(super) const METADATA: &str = "/.well-known/oauth-authorization-server/as";

impl Drop for Stranger {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        // Wakes the thread that accepts.
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
    shared.asked.lock().unwrap().push((line, body));
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
        Some(Answer::Huge { says_so }) => {
            let length = 10 << 20;
            write!(stream, "HTTP/1.1 200 OK\r\n")?;
            if says_so {
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
