//! The outbound HTTP client: one request, sent once, and its whole answer.
//!
//! It follows no redirect, retries nothing, keeps no connection and no cookie,
//! and reads at most [`REPLY_LIMIT`]. What it must get right is to tell a
//! request that was never sent from one whose answer never came: after the
//! second, a single-use refresh token may be spent.
//!
//! Certificates are the platform's own; proxies come from the environment
//! (`HTTPS_PROXY`, `NO_PROXY`), save for loopback addresses without TLS.

use std::sync::Arc;
use std::time::Duration;

use oauth2::http::Response;
use oauth2::http::header::AUTHORIZATION;
use oauth2::{HttpRequest, HttpResponse};
use reqwest::dns::Resolve;

use super::{Error, deadline};
use crate::failpoint;

/// How long a TCP connection, a proxy's and TLS's included, may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The same where somebody waits for the answer.
const DIRECT_CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// How long a request and its whole answer may take. Longer than
/// [`CONNECT_TIMEOUT`], so that running out of it means "sent".
const TIMEOUT: Duration = Duration::from_secs(30);

/// The longest answer read, in bytes: token replies have a few thousand.
const REPLY_LIMIT: usize = 1 << 20;

/// Sent as `User-Agent`; some providers refuse requests without one.
const USER_AGENT: &str = concat!("agent-authd/", env!("CARGO_PKG_VERSION"));

/// The outbound client. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Outbound {
    /// For `http` addresses, which are this machine's own: never through a
    /// proxy, which would read the secrets.
    plain: reqwest::Client,
    /// For `https` addresses; the text says why there can be none, such as a
    /// machine without certificates, where loopback providers still work.
    secure: Result<reqwest::Client, String>,
}

impl Outbound {
    /// A client with the platform's certificates and the environment's proxies.
    pub(super) fn new() -> Result<Self, Error> {
        Self::of(builder)
    }

    /// A client that goes through no proxy, only to addresses of `resolver`'s.
    pub(super) fn direct<R: Resolve + 'static>(resolver: Arc<R>) -> Result<Self, Error> {
        Self::of(|| {
            builder()
                .no_proxy()
                .dns_resolver(Arc::clone(&resolver))
                .connect_timeout(DIRECT_CONNECT_TIMEOUT)
        })
    }

    fn of(builder: impl Fn() -> reqwest::ClientBuilder) -> Result<Self, Error> {
        // An error means that a provider is installed already, which will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let plain = builder().no_proxy().tls_certs_only([]).build();
        Ok(Self {
            plain: plain.map_err(|error| Error::HttpClient {
                what: explain(&error),
            })?,
            secure: builder().build().map_err(|error| explain(&error)),
        })
    }

    /// Sends `request` once and reads its whole answer.
    pub(super) async fn send(&self, mut request: HttpRequest) -> Result<HttpResponse, Error> {
        if let Some(value) = request.headers_mut().get_mut(AUTHORIZATION) {
            value.set_sensitive(true);
        }
        let client = self.client_for(request.uri().scheme_str().unwrap_or_default())?;
        let request = reqwest::Request::try_from(request).map_err(|_| Error::HttpClient {
            what: "the provider's address is not valid".to_owned(),
        })?;
        let answered = async {
            let reply = client.execute(request).await.map_err(|error| {
                if error.is_connect() {
                    Error::Unreachable
                } else {
                    in_doubt("the connection broke before the answer")
                }
            })?;
            read(reply).await
        };
        let limit = failpoint::duration("oauth.timeout", TIMEOUT);
        let answered = deadline::within(limit, answered).await;
        answered.unwrap_or_else(|| Err(in_doubt("there was no answer in time")))
    }

    /// What sends requests to addresses of a scheme.
    pub(super) fn client_for(&self, scheme: &str) -> Result<&reqwest::Client, Error> {
        if scheme == "http" {
            return Ok(&self.plain);
        }
        self.secure
            .as_ref()
            .map_err(|what| Error::HttpClient { what: what.clone() })
    }
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        // Only requests on a reused connection are ever retried below reqwest.
        .pool_max_idle_per_host(0)
        .http1_only()
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
}

fn in_doubt(what: impl Into<String>) -> Error {
    Error::OutcomeUnknown {
        what: what.into(),
        retry_after: None,
    }
}

/// Reads an answer to its end, or to [`REPLY_LIMIT`].
///
/// A refusal that breaks off is still a refusal, and is judged by what came.
async fn read(mut reply: reqwest::Response) -> Result<HttpResponse, Error> {
    let mut body = Vec::new();
    loop {
        match reply.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > REPLY_LIMIT => {
                let what = format!("an answer of more than {REPLY_LIMIT} bytes");
                return Err(if reply.status().is_success() {
                    in_doubt(what)
                } else {
                    Error::MalformedResponse { what }
                });
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(_) if reply.status().is_success() => {
                return Err(in_doubt("the connection broke within the answer"));
            }
            Err(_) => break,
        }
    }
    let mut whole = Response::new(body);
    *whole.status_mut() = reply.status();
    *whole.headers_mut() = std::mem::take(reply.headers_mut());
    Ok(whole)
}

/// The innermost cause of a failure to set the client up. No request was made
/// yet, so it holds no secret.
fn explain(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
