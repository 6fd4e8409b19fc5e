//! The HTTP client for discovery, whose servers are not trusted: it checks every
//! address, follows redirects itself, limits the size of replies, and has one
//! deadline for all requests.
//!
//! It does not use a proxy, because the addresses that a proxy connects to cannot
//! be checked.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use oauth2::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Request, Response};
use serde_json::{Map, Value};
use tokio::time::Instant;
use url::{Host, Url};

use super::address_policy::{AddressPolicy, Forbidden, Unresolved};
use super::{Error, Step, shown};
use crate::oauth::http::Outbound;
use crate::oauth::request::JSON;

/// The most redirects that are followed for one document.
const MAX_REDIRECTS: usize = 5;

/// The longest document that is read, in bytes. Real ones have a few thousand.
const DOCUMENT_LIMIT: usize = 1 << 20;

/// The media types that MCP servers require callers to accept (MCP, Streamable
/// HTTP).
const MCP_ACCEPT: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");

/// The result of a request for a document.
pub(super) enum Found {
    /// A JSON object.
    Document(Map<String, Value>),
    /// The server has no document at this address. The text says which.
    Nothing(String),
    /// The reply is not a document. The text says why.
    MalformedResponse(String),
}

impl Found {
    /// The document, if it is required.
    ///
    /// # Errors
    /// An [`Error`] of `step` if there is none.
    pub(super) fn required(self, step: Step) -> Result<Map<String, Value>, Error> {
        match self {
            Self::Document(document) => Ok(document),
            Self::Nothing(what) => Err(Error::unsupported(step, what)),
            Self::MalformedResponse(what) => Err(Error::malformed(step, what)),
        }
    }
}

/// The HTTP client of one discovery.
pub(super) struct DiscoveryClient {
    http: Outbound,
    policy: AddressPolicy,
    deadline: Instant,
}

impl DiscoveryClient {
    /// Makes a client for a discovery from `start` that fails after `timeout`.
    ///
    /// # Errors
    /// [`Error::HttpClient`] if no HTTP client can be made on this machine.
    pub(super) fn starting_at(start: &Url, timeout: Duration) -> Result<Self, Error> {
        let policy = AddressPolicy::of(start);
        let http = Outbound::direct(Arc::new(policy)).map_err(|error| Error::HttpClient {
            what: error.to_string(),
        })?;
        Ok(Self {
            http,
            policy,
            deadline: Instant::now() + timeout,
        })
    }

    /// Calls an MCP server without a token. The body of the response may be
    /// endless and is not read.
    pub(super) async fn probe(&self, url: &Url) -> Result<Response, Error> {
        self.get(Step::McpServer, url, MCP_ACCEPT).await
    }

    /// Fetches a JSON object from `url`.
    pub(super) async fn fetch_metadata(&self, step: Step, url: &Url) -> Result<Found, Error> {
        let reply = self.get(step, url, JSON).await?;
        let (status, place) = (reply.status(), shown(reply.url()));
        let found = format!("{place} responds with HTTP {}", status.as_u16());
        if status.is_server_error() {
            return Ok(Found::MalformedResponse(found));
        }
        if !status.is_success() {
            return Ok(Found::Nothing(found));
        }
        let body = self.read(step, reply).await?;
        Ok(serde_json::from_slice(&body).map_or_else(
            |_| Found::MalformedResponse(format!("the response of {place} is not a JSON object")),
            Found::Document,
        ))
    }

    /// Sends a JSON object once and does not follow a redirect. Returns the status
    /// of the response and its JSON object, if it has one.
    pub(super) async fn post(
        &self,
        step: Step,
        url: &Url,
        document: &Value,
    ) -> Result<(u16, Option<Map<String, Value>>), Error> {
        let mut request = Request::new(reqwest::Method::POST, url.clone());
        request.headers_mut().insert(ACCEPT, JSON);
        request.headers_mut().insert(CONTENT_TYPE, JSON);
        *request.body_mut() = Some(document.to_string().into());
        let reply = self.send(step, request).await?;
        let status = reply.status().as_u16();
        let body = self.read(step, reply).await?;
        Ok((status, serde_json::from_slice(&body).ok()))
    }

    /// Checks an endpoint, including the addresses of its host name.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if requests to it are not allowed, and
    /// [`Error::Unreachable`] if its host name cannot be resolved.
    pub(super) async fn check_address(&self, step: Step, url: &Url) -> Result<(), Error> {
        let forbidden = |why: Forbidden| forbidden_address(step, url, why);
        self.policy.check(url).map_err(forbidden)?;
        let Some(Host::Domain(name)) = url.host() else {
            return Ok(());
        };
        let resolved = tokio::time::timeout_at(self.deadline, self.policy.resolved(name)).await;
        match resolved.unwrap_or(Err(Unresolved::Unknown)) {
            Ok(_) => Ok(()),
            Err(Unresolved::Forbidden(why)) => Err(forbidden(why)),
            Err(Unresolved::Unknown) => Err(unreachable_host(step, url)),
        }
    }

    async fn get(&self, step: Step, url: &Url, accept: HeaderValue) -> Result<Response, Error> {
        let mut url = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let mut request = Request::new(reqwest::Method::GET, url.clone());
            request.headers_mut().insert(ACCEPT, accept.clone());
            let reply = self.send(step, request).await?;
            match next_hop(step, &url, &reply)? {
                None => return Ok(reply),
                Some(next) => url = next,
            }
        }
        let what = format!("more than {MAX_REDIRECTS} redirects");
        Err(Error::unsupported(step, what))
    }

    /// Sends a request once, if its address is allowed.
    async fn send(&self, step: Step, request: Request) -> Result<Response, Error> {
        let url = request.url().clone();
        let check = self.policy.check(&url);
        check.map_err(|why| forbidden_address(step, &url, why))?;
        let client = self.http.client_for(url.scheme());
        let client = client.map_err(|error| Error::HttpClient {
            what: error.to_string(),
        })?;
        let sent = tokio::time::timeout_at(self.deadline, client.execute(request)).await;
        let error = match sent {
            Ok(Ok(reply)) => return Ok(reply),
            Ok(Err(error)) => error,
            Err(_) => return Err(timed_out(step, &url)),
        };
        Err(match forbidden(&error) {
            Some(why) => forbidden_address(step, &url, why),
            None if error.is_connect() => unreachable_host(step, &url),
            None => truncated(step, &url),
        })
    }

    /// Reads the body of a response, unless it is too long or too slow.
    async fn read(&self, step: Step, mut reply: Response) -> Result<Vec<u8>, Error> {
        let url = reply.url().clone();
        let too_long = || {
            let what = format!(
                "the response of {} has more than {DOCUMENT_LIMIT} bytes",
                shown(&url)
            );
            Error::malformed(step, what)
        };
        let limit = u64::try_from(DOCUMENT_LIMIT).unwrap_or(u64::MAX);
        if reply.content_length().is_some_and(|length| length > limit) {
            return Err(too_long());
        }
        let mut body = Vec::new();
        loop {
            let chunk = tokio::time::timeout_at(self.deadline, reply.chunk()).await;
            match chunk.map_err(|_| timed_out(step, &url))? {
                Ok(Some(chunk)) if body.len() + chunk.len() > DOCUMENT_LIMIT => {
                    return Err(too_long());
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(body),
                Err(_) => return Err(truncated(step, &url)),
            }
        }
    }
}

/// The target of a redirect; `None` if `reply` is not a redirect.
///
/// # Errors
/// The target is not a URL, or it would continue without TLS.
fn next_hop(step: Step, url: &Url, reply: &Response) -> Result<Option<Url>, Error> {
    let location = reply.headers().get(LOCATION);
    let Some(location) =
        location.filter(|_| matches!(reply.status().as_u16(), 301..=303 | 307 | 308))
    else {
        return Ok(None);
    };
    let next = location.to_str().ok().and_then(|text| url.join(text).ok());
    let next = next.ok_or_else(|| {
        Error::unsupported(
            step,
            format!("{} redirects to an invalid address", shown(url)),
        )
    })?;
    if url.scheme() == "https" && next.scheme() != "https" {
        let what = format!("{} redirects to {}, without TLS", shown(url), shown(&next));
        return Err(Error::unsupported(step, what));
    }
    Ok(Some(next))
}

fn forbidden_address(step: Step, url: &Url, why: Forbidden) -> Error {
    Error::unsupported(step, format!("{} is not allowed: {why}", shown(url)))
}

fn unreachable_host(step: Step, url: &Url) -> Error {
    Error::Unreachable {
        step,
        host: url.host_str().unwrap_or_default().to_owned(),
    }
}

fn timed_out(step: Step, url: &Url) -> Error {
    Error::malformed(step, format!("{} does not respond in time", shown(url)))
}

fn truncated(step: Step, url: &Url) -> Error {
    let what = format!("the response of {} is incomplete", shown(url));
    Error::malformed(step, what)
}

/// Why the address of a host name is not allowed, if that caused `error`.
fn forbidden(error: &reqwest::Error) -> Option<Forbidden> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(Unresolved::Forbidden(why)) = error.downcast_ref() {
            return Some(*why);
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_addresses_of_a_name_are_checked_when_connecting() {
        let http = Outbound::direct(Arc::new(AddressPolicy::Public)).unwrap();
        let address = Url::parse("http://localhost:1/").unwrap();
        let request = Request::new(reqwest::Method::GET, address);
        let error = http.client_for("http").unwrap().execute(request).await;
        assert!(matches!(
            forbidden(&error.unwrap_err()),
            Some(Forbidden::Address(_))
        ));
    }
}
