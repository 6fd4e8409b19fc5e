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
}

/// Opens `url` and follows every redirect, over the provider and back to the
/// daemon.
pub(crate) async fn open(url: &str) -> Page {
    let mut address: Url = url.parse().unwrap();
    for _ in 0..REDIRECTS {
        let (head, body) = fetch(&address).await;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let location = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("location").then_some(value)
        });
        match location {
            Some(location) => address = address.join(location).unwrap(),
            None => {
                return Page {
                    address,
                    status,
                    body,
                };
            }
        }
    }
    panic!("the redirects never end: {address}");
}

async fn fetch(address: &Url) -> (String, String) {
    let host = address.host_str().unwrap();
    let port = address.port_or_known_default().unwrap();
    let mut stream = TcpStream::connect((host.trim_matches(['[', ']']), port))
        .await
        .unwrap();
    let target = &address[url::Position::BeforePath..url::Position::AfterQuery];
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {host}:{port}\r\nSec-Fetch-Mode: navigate\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}
