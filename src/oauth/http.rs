//! The outbound HTTP client: sends a request once and reads its whole reply.
//!
//! It follows no redirects, retries nothing, keeps no connections and no cookies,
//! and reads at most [`REPLY_LIMIT`]. Its errors distinguish a request that was
//! not sent from one whose reply was not received: in the second case the server
//! may have used up a single-use refresh token.
//!
//! It uses the platform's certificates, and the proxies of the environment
//! (`HTTPS_PROXY`, `NO_PROXY`) except for loopback addresses without TLS.

use std::sync::Arc;
use std::time::Duration;

use oauth2::http::Response;
use oauth2::http::header::AUTHORIZATION;
use oauth2::{HttpRequest, HttpResponse};
use reqwest::dns::Resolve;

use super::{Error, deadline};
use crate::failpoint;

/// The time limit for connecting, including the proxy and the TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The time limit for connecting during a discovery, whose caller waits for it.
const DIRECT_CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// The time limit for a request and its whole reply. It is longer than
/// [`CONNECT_TIMEOUT`], so a request that exceeds it may have been sent.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The longest reply that is read, in bytes. Token replies have a few thousand.
const REPLY_LIMIT: usize = 1 << 20;

/// The `User-Agent` header; some providers reject requests without one.
const USER_AGENT: &str = concat!("agent-authd/", env!("CARGO_PKG_VERSION"));

/// The outbound client. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Outbound {
    /// For `http` URLs, which are all on loopback. Uses no proxy, which could
    /// read the secrets.
    plain: reqwest::Client,
    /// For `https` URLs, or why there is no such client. Providers on loopback
    /// also work on a machine without certificates.
    secure: Result<reqwest::Client, String>,
}

impl Outbound {
    /// Makes a client with the platform's certificates and the environment's
    /// proxies.
    pub(super) fn new() -> Result<Self, Error> {
        Self::of(builder)
    }

    /// Makes a client without proxies that connects only to addresses that
    /// `resolver` returns.
    pub(super) fn direct<R: Resolve + 'static>(resolver: Arc<R>) -> Result<Self, Error> {
        Self::of(|| {
            builder()
                .no_proxy()
                .dns_resolver(Arc::clone(&resolver))
                .connect_timeout(DIRECT_CONNECT_TIMEOUT)
        })
    }

    fn of(builder: impl Fn() -> reqwest::ClientBuilder) -> Result<Self, Error> {
        // An error means that a cryptography provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let plain = builder().no_proxy().tls_certs_only([]).build();
        Ok(Self {
            plain: plain.map_err(|error| Error::HttpClient {
                what: explain(&error),
            })?,
            secure: builder().build().map_err(|error| explain(&error)),
        })
    }

    /// Sends `request` once and reads its whole reply.
    ///
    /// # Errors
    /// [`Error::Unreachable`] and [`Error::HttpClient`] if nothing was sent, else
    /// [`Error::OutcomeUnknown`] or [`Error::MalformedResponse`].
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
                    outcome_unknown("the connection was closed before the response")
                }
            })?;
            read(reply).await
        };
        let limit = failpoint::duration("oauth.timeout", TIMEOUT);
        let answered = deadline::within(limit, answered).await;
        answered.unwrap_or_else(|| Err(outcome_unknown("no response within the time limit")))
    }

    /// The client for URLs of `scheme`.
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
        // hyper retries requests only on reused connections.
        .pool_max_idle_per_host(0)
        .http1_only()
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
}

fn outcome_unknown(what: impl Into<String>) -> Error {
    Error::OutcomeUnknown {
        what: what.into(),
        retry_after: None,
    }
}

/// Reads a reply to its end, or to [`REPLY_LIMIT`].
///
/// A truncated error response still counts as an error.
async fn read(mut reply: reqwest::Response) -> Result<HttpResponse, Error> {
    let mut body = Vec::new();
    loop {
        match reply.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > REPLY_LIMIT => {
                let what = format!("a response of more than {REPLY_LIMIT} bytes");
                return Err(if reply.status().is_success() {
                    outcome_unknown(what)
                } else {
                    Error::MalformedResponse { what }
                });
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(_) if reply.status().is_success() => {
                return Err(outcome_unknown(
                    "the connection was closed during the response",
                ));
            }
            Err(_) => break,
        }
    }
    let mut whole = Response::new(body);
    *whole.status_mut() = reply.status();
    *whole.headers_mut() = std::mem::take(reply.headers_mut());
    Ok(whole)
}

/// The innermost cause of a failure to build a client. No request was made yet,
/// so it contains no secret.
fn explain(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
