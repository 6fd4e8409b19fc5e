//! A fake daemon: gives each operation the answer that the test chose, and records
//! the requests.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Answers by `METHOD /path?query`: status and body.
type Answers = HashMap<&'static str, (u16, Value)>;

/// The fake daemon.
pub(super) struct Daemon {
    folder: TempDir,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Daemon {
    /// Starts one with these answers, and one for `GET /ok`.
    pub(super) fn answering(answers: &[(&'static str, u16, Value)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("s")).unwrap();
        let asked = Arc::default();
        let mut lines: Answers = HashMap::from([("GET /ok", (200, json!({"ok": true})))]);
        lines.extend(
            answers
                .iter()
                .map(|(line, status, body)| (*line, (*status, body.clone()))),
        );
        let notes = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                answer(stream, &lines, &notes).ok();
            }
        });
        Self { folder, asked }
    }

    /// Its socket.
    pub(super) fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    /// The bodies it was sent for `METHOD /path?query`.
    pub(super) fn asked(&self, line: &str) -> Vec<Value> {
        let asked = self.asked.lock().unwrap();
        let bodies = asked.iter().filter(|(asked, _)| asked == line);
        bodies.map(|(_, body)| body.clone()).collect()
    }
}

/// Reads one request, answers it and closes.
fn answer(
    stream: UnixStream,
    lines: &Answers,
    notes: &Mutex<Vec<(String, Value)>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let line = first.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
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
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    notes.lock().unwrap().push((line.clone(), body));

    let unknown = (
        404,
        json!({"detail": format!("the test knows no answer to {line}")}),
    );
    let (status, body) = lines.get(line.as_str()).unwrap_or(&unknown);
    let body = body.to_string();
    let length = body.len();
    write!(
        reader.get_mut(),
        "HTTP/1.1 {status} Status\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}
