//! Programs that ask for a stored token without pause while the daemon is
//! restarted, and what they met.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::json;

use super::provider::PROVIDER_ID;

/// How long one answer may take, on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How soon after an answer a connection may not be closed that was not
/// announced to be: less than the daemon's linger.
const SOON: Duration = Duration::from_millis(200);

/// What callers met.
#[derive(Debug, Default)]
pub(crate) struct Met {
    /// Answers with the token.
    pub(crate) answers: usize,
    /// Requests that were sent in part or whole and never answered, or answered
    /// with anything but the token.
    pub(crate) lost: Vec<String>,
    /// Kept connections that were closed unannounced after an idle time.
    pub(crate) closed_when_idle: usize,
    /// Connects that nobody was there for.
    pub(crate) refused: usize,
    /// The longest time without anybody there.
    pub(crate) longest_outage: Duration,
}

/// Callers at work.
pub(crate) struct Callers {
    threads: Vec<JoinHandle<Met>>,
    is_over: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
}

impl Callers {
    /// Starts `count` of them at `socket`; every other one keeps its connection.
    pub(crate) fn start(socket: &Path, count: usize) -> Self {
        let (is_over, answers) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let threads = (0..count).map(|number| {
            let mut caller = Caller {
                socket: socket.to_owned(),
                keeps: number % 2 == 0,
                kept: None,
                met: Met::default(),
            };
            let (is_over, answers) = (Arc::clone(&is_over), Arc::clone(&answers));
            std::thread::spawn(move || {
                while !is_over.load(Ordering::Acquire) {
                    caller.call();
                    answers.fetch_add(1, Ordering::Relaxed);
                }
                caller.met
            })
        });
        Self {
            threads: threads.collect(),
            is_over,
            answers,
        }
    }

    /// How many requests have ended so far.
    pub(crate) fn calls(&self) -> usize {
        self.answers.load(Ordering::Relaxed)
    }

    /// Ends them; what they met together.
    pub(crate) fn end(self) -> Met {
        self.is_over.store(true, Ordering::Release);
        let mut all = Met::default();
        for thread in self.threads {
            let met = thread.join().unwrap();
            all.answers += met.answers;
            all.lost.extend(met.lost);
            all.closed_when_idle += met.closed_when_idle;
            all.refused += met.refused;
            all.longest_outage = all.longest_outage.max(met.longest_outage);
        }
        all
    }
}

struct Caller {
    socket: PathBuf,
    keeps: bool,
    /// A connection whose last answer did not say that it is the last, and when
    /// that came.
    kept: Option<(UnixStream, Instant)>,
    met: Met,
}

impl Caller {
    /// Makes one request, and notes what becomes of it.
    fn call(&mut self) {
        let kept = self.kept.take();
        let (mut stream, idle_since) = match kept {
            Some((stream, since)) => (stream, Some(since)),
            None => (self.connect(), None),
        };
        if let Err(error) = stream.write_all(request().as_bytes()) {
            match idle_since {
                Some(since) if since.elapsed() > SOON => self.met.closed_when_idle += 1,
                _ => self.met.lost.push(format!("not sent: {error}")),
            }
            return;
        }
        match answer(&mut stream) {
            Ok(head) if head.starts_with("http/1.1 200 ") => {
                self.met.answers += 1;
                if self.keeps && !head.contains("\r\nconnection: close\r\n") {
                    self.kept = Some((stream, Instant::now()));
                }
            }
            Ok(head) => self.met.lost.push(head),
            Err(error) => self.met.lost.push(format!("not answered: {error}")),
        }
    }

    /// Connects as soon as somebody is there.
    fn connect(&mut self) -> UnixStream {
        let began = Instant::now();
        loop {
            match UnixStream::connect(&self.socket) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
                    self.met.longest_outage = self.met.longest_outage.max(began.elapsed());
                    return stream;
                }
                Err(error) => {
                    let is_gone = matches!(
                        error.kind(),
                        ErrorKind::NotFound | ErrorKind::ConnectionRefused
                    );
                    assert!(is_gone && began.elapsed() < TIMEOUT, "{error}");
                    self.met.refused += 1;
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        }
    }
}

fn request() -> String {
    let body = json!({"provider": PROVIDER_ID, "scopes": ["read"]}).to_string();
    format!(
        "POST /v2/auth/authenticate HTTP/1.1\r\nHost: localhost\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The head of an answer in small letters; its body is read too.
fn answer(stream: &mut UnixStream) -> io::Result<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1);
    let length = length.and_then(|rest| rest.split("\r\n").next()?.parse().ok());
    let mut body = vec![0; length.ok_or(ErrorKind::InvalidData)?];
    stream.read_exact(&mut body)?;
    Ok(head)
}
