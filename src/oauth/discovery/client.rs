//! Asks strangers: judged addresses, redirects followed by hand, bounded
//! answers, and one deadline for everything.
//!
//! It never goes through a proxy: where that would connect to is not ours to
//! judge.

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

/// How many redirects are followed for one document.
const MAX_REDIRECTS: usize = 5;

/// The longest document read, in bytes; real ones have a few thousand.
const DOCUMENT_LIMIT: usize = 1 << 20;

/// What an MCP server expects its callers to take (MCP, Streamable HTTP).
const MCP_ACCEPT: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");

/// What was found where a document was looked for.
pub(super) enum Found {
    /// A JSON object.
    Document(Map<String, Value>),
    /// The server has none there.
    Nothing(String),
    /// An answer that is no document.
    MalformedResponse(String),
}

impl Found {
    /// The document that had to be there.
    pub(super) fn required(self, step: Step) -> Result<Map<String, Value>, Error> {
        match self {
            Self::Document(document) => Ok(document),
            Self::Nothing(what) => Err(Error::unsupported(step, what)),
            Self::MalformedResponse(what) => Err(Error::malformed(step, what)),
        }
    }
}

/// One discovery's way of asking.
pub(super) struct DiscoveryClient {
    http: Outbound,
    policy: AddressPolicy,
    deadline: Instant,
}

impl DiscoveryClient {
    /// One that begins at `start`, and is done when `timeout` is over.
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

    /// Asks an MCP server without a token; the answer's body, which may never
    /// end, is not read.
    pub(super) async fn probe(&self, url: &Url) -> Result<Response, Error> {
        self.get(Step::McpServer, url, MCP_ACCEPT).await
    }

    /// Looks for a JSON object at `url`.
    pub(super) async fn fetch_metadata(&self, step: Step, url: &Url) -> Result<Found, Error> {
        let reply = self.get(step, url, JSON).await?;
        let (status, place) = (reply.status(), shown(reply.url()));
        let found = format!("{place} answers with HTTP {}", status.as_u16());
        if status.is_server_error() {
            return Ok(Found::MalformedResponse(found));
        }
        if !status.is_success() {
            return Ok(Found::Nothing(found));
        }
        let body = self.read(step, reply).await?;
        Ok(serde_json::from_slice(&body).map_or_else(
            |_| {
                Found::MalformedResponse(format!(
                    "{place} answers with something that is no JSON object"
                ))
            },
            Found::Document,
        ))
    }

    /// Sends a JSON object once; a redirect is not followed.
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

    /// Judges an endpoint that was found, its name's addresses included.
    pub(super) async fn check_address(&self, step: Step, url: &Url) -> Result<(), Error> {
        let forbidden = |why: Forbidden| unfit_address(step, url, why);
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
        let what = format!("it is redirected more than {MAX_REDIRECTS} times");
        Err(Error::unsupported(step, what))
    }

    /// Sends a request once, if its address may be asked.
    async fn send(&self, step: Step, request: Request) -> Result<Response, Error> {
        let url = request.url().clone();
        let check = self.policy.check(&url);
        check.map_err(|why| unfit_address(step, &url, why))?;
        let client = self.http.client_for(url.scheme());
        let client = client.map_err(|error| Error::HttpClient {
            what: error.to_string(),
        })?;
        let sent = tokio::time::timeout_at(self.deadline, client.execute(request)).await;
        let error = match sent {
            Ok(Ok(reply)) => return Ok(reply),
            Ok(Err(error)) => error,
            Err(_) => return Err(silent(step, &url)),
        };
        Err(match forbidden(&error) {
            Some(why) => unfit_address(step, &url, why),
            None if error.is_connect() => unreachable_host(step, &url),
            None => Error::malformed(step, format!("{} gives no whole answer", shown(&url))),
        })
    }

    /// Reads an answer to its end, unless it is too long or too slow.
    async fn read(&self, step: Step, mut reply: Response) -> Result<Vec<u8>, Error> {
        let url = reply.url().clone();
        let too_long = || {
            let what = format!(
                "{} answers with more than {DOCUMENT_LIMIT} bytes",
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
            match chunk.map_err(|_| silent(step, &url))? {
                Ok(Some(chunk)) if body.len() + chunk.len() > DOCUMENT_LIMIT => {
                    return Err(too_long());
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(body),
                Err(_) => {
                    let what = format!("{} gives no whole answer", shown(&url));
                    return Err(Error::malformed(step, what));
                }
            }
        }
    }
}

/// Where a redirect leads; `None` if `reply` is none. TLS is never left.
fn next_hop(step: Step, url: &Url, reply: &Response) -> Result<Option<Url>, Error> {
    let location = reply.headers().get(LOCATION);
    let Some(location) =
        location.filter(|_| matches!(reply.status().as_u16(), 301..=303 | 307 | 308))
    else {
        return Ok(None);
    };
    let next = location.to_str().ok().and_then(|text| url.join(text).ok());
    let next = next.ok_or_else(|| {
        Error::unsupported(step, format!("{} redirects to no address", shown(url)))
    })?;
    if url.scheme() == "https" && next.scheme() != "https" {
        let what = format!("{} redirects to {}, without TLS", shown(url), shown(&next));
        return Err(Error::unsupported(step, what));
    }
    Ok(Some(next))
}

fn unfit_address(step: Step, url: &Url, why: Forbidden) -> Error {
    Error::unsupported(step, format!("{} is not asked: {why}", shown(url)))
}

fn unreachable_host(step: Step, url: &Url) -> Error {
    Error::Unreachable {
        step,
        host: url.host_str().unwrap_or_default().to_owned(),
    }
}

fn silent(step: Step, url: &Url) -> Error {
    Error::malformed(step, format!("{} does not answer in time", shown(url)))
}

/// Whether the address that a name has was the reason.
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
    async fn a_name_is_judged_where_the_connection_is_made() {
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
