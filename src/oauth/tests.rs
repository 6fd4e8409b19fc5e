//! The client against a real TCP server that sends what the test says.

mod authorization;
mod revocation;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use url::Url;
use uuid::Uuid;

use super::*;
use crate::clock::{Clock, SystemEntropy, Timestamp};
use crate::identity::ProviderId;
use crate::provider::{self, AuthMethod, Endpoints, Kind, Pkce, Source};
use crate::secret::{AccessToken, ClientSecret};

const GRANT: &str = r#"{"access_token":"new-canary","refresh_token":"next-canary",
    "token_type":"BEARER","expires_in":"3600","scope":"a,b",
    "instance_url":"https://na1.example.com","email":"ada@example.com"}"#;

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000)
    }
}

fn client() -> Client {
    let env = Env {
        clock: Arc::new(FixedClock),
        entropy: Arc::new(SystemEntropy),
    };
    Client::new(env).unwrap()
}

/// A server that sends the same bytes to every connection and then closes it.
struct Server {
    base: Url,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn giving(answer: impl Into<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (requests.clone(), answer.into());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = whole_request(&mut stream).await;
                log.lock().unwrap().push(request);
                let _ = stream.write_all(&answer).await;
            }
        });
        let base = Url::parse(&format!("http://{address}/")).unwrap();
        Self { base, requests }
    }

    async fn saying(status: &str, body: &str) -> Self {
        let length = body.len();
        Self::giving(format!(
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
        .await
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    fn provider(&self) -> Provider {
        provider_at(&self.base)
    }
}

async fn whole_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                let is_length = name.eq_ignore_ascii_case("content-length");
                is_length.then(|| value.parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        match stream.read(&mut buffer).await.unwrap() {
            0 => return text,
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

fn provider_at(base: &Url) -> Provider {
    Provider {
        id: Uuid::nil(),
        source: Source::Owner,
        provider_id: ProviderId::parse("example").unwrap(),
        name: "Example".into(),
        client: provider::Client {
            client_id: "my client".into(),
            client_secret: Some(ClientSecret::new("s3cret-canary:/+")),
            auth_method: AuthMethod::ClientSecretPost,
            is_dynamic: false,
        },
        endpoints: Endpoints {
            authorization: base.join("authorize").unwrap(),
            token: base.join("token").unwrap(),
            revocation: None,
            issuer: None,
            sends_iss: false,
        },
        pkce: Pkce::S256,
        kind: None,
        authorization_params: BTreeMap::new(),
        allowed_redirect_uris: Vec::new(),
        mcp_server_url: None,
        resource: None,
        created_at: Timestamp::from_millis(0),
        updated_at: Timestamp::from_millis(0),
    }
}

async fn refresh(provider: &Provider) -> Result<Grant, Error> {
    let token = RefreshToken::new("old-canary");
    let scopes = Scopes::new(["a", "b"]);
    let refreshed = client().refresh(provider, &token, &scopes).await;
    refreshed.map_err(|failed| failed.error)
}

fn is_outcome_unknown(error: &Error) -> bool {
    matches!(error, Error::OutcomeUnknown { .. })
}

/// The error that a server with this answer brings; it was asked exactly once.
async fn refusal(answer: &str) -> Error {
    let server = Server::giving(answer).await;
    let error = refresh(&server.provider()).await.unwrap_err();
    assert_eq!(server.requests().len(), 1);
    error
}

#[tokio::test]
async fn a_code_becomes_a_grant() {
    let server = Server::saying("200 OK", GRANT).await;
    let grant = client()
        .exchange(
            &server.provider(),
            AuthorizationCode::new("c0de"),
            "http://127.0.0.1:8252/cb",
            Some(&CodeVerifier::new("verify")),
        )
        .await
        .unwrap();
    assert_eq!(grant.token_type, "Bearer");
    assert_eq!(grant.scopes, Some(Scopes::new(["a", "b"])));
    let expiry = Timestamp::from_millis(1_700_003_600_000);
    assert_eq!(grant.expires_at, Some(expiry));
    assert_eq!(grant.account_label.unwrap(), "ada@example.com");
    assert_eq!(grant.metadata["instance_url"], "https://na1.example.com");
    assert!(grant.refresh_token.is_some());

    let [request] = &server.requests()[..] else {
        panic!("sent more than once");
    };
    assert!(request.starts_with("POST /token HTTP/1.1\r\n"), "{request}");
    let lower = request.to_ascii_lowercase();
    assert!(lower.contains("\r\nuser-agent: agent-authd/"));
    assert!(lower.contains("\r\naccept: application/json\r\n"));
    assert!(request.ends_with(
        "\r\n\r\ngrant_type=authorization_code&code=c0de&code_verifier=verify\
         &client_id=my+client&client_secret=s3cret-canary%3A%2F%2B\
         &redirect_uri=http%3A%2F%2F127.0.0.1%3A8252%2Fcb"
    ));
}

#[tokio::test]
async fn a_refresh_is_sent_once_and_names_no_scope() {
    let server = Server::saying("200 OK", GRANT).await;
    refresh(&server.provider()).await.unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].contains("grant_type=refresh_token&refresh_token=old-canary&"));
    assert!(!requests[0].contains("scope="));
}

#[tokio::test]
async fn quirks_shape_the_refresh() {
    let server = Server::saying("200 OK", GRANT).await;
    let mut provider = server.provider();
    provider.resource = Some("https://mcp.example.com/mcp".to_owned());
    refresh(&provider).await.unwrap();
    provider.kind = Some(Kind::Microsoft);
    refresh(&provider).await.unwrap();
    let requests = server.requests();
    assert!(requests[0].ends_with("&resource=https%3A%2F%2Fmcp.example.com%2Fmcp"));
    assert!(!requests[1].contains("resource="));
    assert!(requests[1].contains("&scope=a+b+offline_access&"));
}

#[tokio::test]
async fn basic_authentication_encodes_both_parts_and_leaves_the_body_unchanged() {
    let server = Server::saying("200 OK", GRANT).await;
    let mut provider = server.provider();
    provider.client.auth_method = AuthMethod::ClientSecretBasic;
    refresh(&provider).await.unwrap();
    provider.client.auth_method = AuthMethod::ClientSecretPost;
    provider.kind = Some(Kind::X);
    refresh(&provider).await.unwrap();
    // my+client:s3cret-canary%3A%2F%2B
    let expected = "Basic bXkrY2xpZW50OnMzY3JldC1jYW5hcnklM0ElMkYlMkI=\r\n";
    for request in server.requests() {
        assert!(request.contains(expected), "{request}");
        assert!(!request.contains("client_id") && !request.contains("client_secret"));
    }
}

#[tokio::test]
async fn a_public_client_sends_only_its_identifier() {
    let server = Server::saying("200 OK", GRANT).await;
    let mut provider = server.provider();
    provider.client.auth_method = AuthMethod::None;
    refresh(&provider).await.unwrap();
    provider.client.auth_method = AuthMethod::ClientSecretBasic;
    provider.client.client_secret = None;
    refresh(&provider).await.unwrap();
    for request in server.requests() {
        assert!(request.contains("client_id=my+client"));
        assert!(!request.contains("secret") && !request.contains("Basic"));
    }
}

#[tokio::test]
async fn a_connection_that_closes_after_the_request_leaves_the_outcome_unknown() {
    assert!(is_outcome_unknown(&refusal("").await));
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"access";
    assert!(is_outcome_unknown(&refusal(cut).await));
}

#[tokio::test]
async fn a_truncated_error_response_still_counts_as_an_error() {
    let cut = "HTTP/1.1 503 No\r\nContent-Length: 100\r\n\r\nsor";
    assert_eq!(refusal(cut).await, Error::Unavailable { retry_after: None });
}

/// On a machine without certificates there is no client for `https`.
fn assert_never_sent(error: &Error) {
    let unsent = matches!(error, Error::Unreachable | Error::HttpClient { .. });
    assert!(unsent, "{error:?}");
}

#[tokio::test]
async fn a_request_that_was_not_sent_has_a_known_outcome() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for base in [
        format!("http://{address}/"),
        format!("https://{address}/"),
        "https://no-such-host.invalid/".to_owned(),
    ] {
        let provider = provider_at(&Url::parse(&base).unwrap());
        assert_never_sent(&refresh(&provider).await.unwrap_err());
    }
}

#[tokio::test]
async fn a_server_without_tls_is_sent_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("https://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut hello = vec![0; 4096];
        let length = stream.read(&mut hello).await.unwrap();
        let answer = b"HTTP/1.1 400 Bad Request\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        String::from_utf8_lossy(&hello[..length]).into_owned()
    });
    let provider = provider_at(&Url::parse(&base).unwrap());
    let error = refresh(&provider).await.unwrap_err();
    assert_never_sent(&error);
    if !matches!(error, Error::HttpClient { .. }) {
        assert!(!server.await.unwrap().contains("canary"));
    }
}

#[tokio::test]
async fn retry_after_is_passed_on() {
    let error = refusal("HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n").await;
    let retry_after = Some(Duration::from_secs(7));
    assert_eq!(error, Error::Unavailable { retry_after });
}

#[tokio::test]
async fn a_success_page_of_a_captive_portal_leaves_the_outcome_unknown() {
    let page = "HTTP/1.1 200 OK\r\nRetry-After: 9\r\nContent-Length: 15\r\n\r\n<html>hi</html>";
    let error = refusal(page).await;
    assert!(
        matches!(
            error,
            Error::OutcomeUnknown {
                retry_after: None,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_refresh_token_without_an_access_token_is_kept() {
    let body = r#"{"refresh_token":"next-canary","token_type":"bearer"}"#;
    let server = Server::saying("200 OK", body).await;
    let token = RefreshToken::new("old-canary");
    let (client, provider, none) = (client(), server.provider(), Scopes::default());
    let refreshed = client.refresh(&provider, &token, &none).await;
    let failed = refreshed.unwrap_err();
    assert!(is_outcome_unknown(&failed.error), "{:?}", failed.error);
    assert!(failed.refresh_token.is_some());
    assert!(!format!("{failed:?}").contains("canary"));
}

#[tokio::test]
async fn a_reply_above_the_size_limit_is_not_read() {
    let mut answer = b"HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n".to_vec();
    answer.resize(10 << 20, b' ');
    let server = Server::giving(answer).await;
    let error = refresh(&server.provider()).await.unwrap_err();
    assert!(is_outcome_unknown(&error), "{error:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::saying("200 OK", GRANT).await;
    let location = &elsewhere.base;
    for status in [301, 302, 307, 308] {
        let answer =
            format!("HTTP/1.1 {status} Go\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        let error = refusal(&answer).await;
        assert!(
            matches!(error, Error::MalformedResponse { .. }),
            "{error:?}"
        );
    }
    assert_eq!(elsewhere.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn no_error_shows_a_secret_that_the_provider_echoes() {
    for (status, code) in [("400 Bad", "invalid_grant"), ("400 Bad", "old-canary")] {
        let body = format!(
            "{{\"error\":\"{code}\",\"error_description\":\"no old-canary, s3cret-canary:/+ or \
             s3cret-canary%3A%2F%2B\\u0000 here\"}}"
        );
        let server = Server::saying(status, &body).await;
        let error = refresh(&server.provider()).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("no [redacted], [redacted] or [redacted] here"));
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[tokio::test]
async fn no_grant_shows_its_secrets() {
    let body = GRANT.replace("ada@example.com", "new-canary");
    let server = Server::saying("200 OK", &body).await;
    let grant = refresh(&server.provider()).await.unwrap();
    assert!(!format!("{grant:?}").contains("canary"), "{grant:?}");
}

#[test]
fn the_futures_are_send() {
    fn is_send<T: Send>(_: &T) {}
    let (client, provider) = (client(), provider_at(&Url::parse("http://[::1]/").unwrap()));
    is_send(&client.exchange(&provider, AuthorizationCode::new("c"), "", None));
    is_send(&client.refresh(&provider, &RefreshToken::new("r"), &Scopes::default()));
    is_send(&client.revoke(&provider, &AccessToken::new("a"), None));
}
