//! The connections of the provider, with one request each.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use url::{Url, form_urlencoded};

use super::{Request, Shared, answer};

/// Accepts connections until the provider stops.
pub(super) fn accept(shared: &Arc<Shared>, listener: TcpListener) {
    let serving = Arc::clone(shared);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            if serving.is_over.load(Ordering::Acquire) {
                break;
            }
            let shared = Arc::clone(&serving);
            // Client disconnects are not errors.
            std::thread::spawn(move || serve(&shared, stream).ok());
        }
    });
}

/// Reads one request and answers it.
fn serve(shared: &Shared, mut stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut headers = HashMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length");
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body)?;
    let target = line.split(' ').nth(1).unwrap_or_default();
    let url = Url::parse("http://provider").unwrap().join(target).unwrap();
    match url.path() {
        "/authorize" => {
            let location = shared.state().grants.consent(&url);
            let head = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\n");
            write!(
                stream,
                "{head}Content-Length: 0\r\nConnection: close\r\n\r\n"
            )
        }
        "/token" => {
            let form = form_urlencoded::parse(&body).into_owned().collect();
            let request = Request {
                at: Instant::now(),
                uptime: shared.state().grants.now(),
                form,
                authorization: headers.remove("authorization"),
            };
            answer::token(shared, &mut stream, request)
        }
        "/.well-known/oauth-authorization-server" if shared.state().revokes => {
            answer::metadata(&format!("http://{}", shared.address), &mut stream)
        }
        "/revoke" => answer::revocation(shared, &mut stream, &body),
        _ => write!(
            stream,
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        ),
    }
}
