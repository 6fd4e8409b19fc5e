//! A person in front of a browser: opens an address and follows it to its end.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

/// How many redirects a browser follows.
const REDIRECTS: usize = 8;

/// What the browser shows at last.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) address: Url,
    pub(crate) status: u16,
    pub(crate) body: String,
    head: String,
}

impl Page {
    /// The value of a header of its answer.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        value_of(&self.head, name)
    }
}

/// Opens `url` and follows every redirect, over the provider and back to the
/// daemon.
pub(crate) async fn open(url: &str) -> Page {
    follow(url.parse().unwrap(), "GET", "").await
}

/// Consents at the provider; the address that it sends the browser back to.
pub(crate) async fn redirect_of(url: &str) -> String {
    let (head, _) = fetch(&url.parse().unwrap(), "GET", "").await;
    value_of(&head, "location").unwrap().to_owned()
}

/// Consents at the provider and opens the redirect back to the daemon. The
/// browser goes away when the connection is dropped.
pub(crate) async fn consent(url: &str) -> TcpStream {
    let back: Url = redirect_of(url).await.parse().unwrap();
    let host = format!("{}:{}", back.host_str().unwrap(), back.port().unwrap());
    let mut stream = TcpStream::connect(&host).await.unwrap();
    let target = &back[url::Position::BeforePath..url::Position::AfterQuery];
    let request =
        format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nSec-Fetch-Mode: navigate\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Sends a form from the page at `url`, with these headers besides, and
/// follows where it leads.
pub(crate) async fn send_form(url: &str, headers: &[(&str, &str)], form: &str) -> Page {
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let rest = format!(
        "{headers}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    follow(url.parse().unwrap(), "POST", &rest).await
}

/// Makes one request, and then those that its redirects ask for. `rest` is
/// what follows on the usual headers of the first.
async fn follow(mut address: Url, mut method: &str, mut rest: &str) -> Page {
    for _ in 0..REDIRECTS {
        let (head, body) = fetch(&address, method, rest).await;
        match value_of(&head, "location") {
            Some(location) => address = address.join(location).unwrap(),
            None => {
                return Page {
                    address,
                    status: head.split(' ').nth(1).unwrap().parse().unwrap(),
                    body,
                    head,
                };
            }
        }
        (method, rest) = ("GET", "");
    }
    panic!("the redirects never end: {address}");
}

fn value_of<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}

async fn fetch(address: &Url, method: &str, rest: &str) -> (String, String) {
    let host = address.host_str().unwrap();
    let port = address.port_or_known_default().unwrap();
    let mut stream = TcpStream::connect((host.trim_matches(['[', ']']), port))
        .await
        .unwrap();
    let target = &address[url::Position::BeforePath..url::Position::AfterQuery];
    let rest = if rest.is_empty() { "\r\n" } else { rest };
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: {host}:{port}\r\nSec-Fetch-Mode: navigate\r\nConnection: close\r\n{rest}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}
