//! The loopback listener that receives the redirects of providers (RFC 8252,
//! section 7.3), and its pages.
//!
//! Any web page can make a browser send requests here. So the listener answers only
//! navigations with its exact `Host` and path, shows the same page for every
//! unknown state, echoes nothing of a request, and redirects the browser to a page
//! without a code in its URL.

pub mod address;
mod consent;
mod follow_up;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
pub mod listener;
pub mod pages;
pub mod peer_user;
mod request_filter;

use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ALLOW, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION,
};
use hyper::{Method, Request, Response, StatusCode};

use self::pages::{Failure, Page};
use self::peer_user::{AllowedPeers, Endpoints, PeerUser};
use crate::api::requests::{CallbackQuery, SetupQuery};
use crate::api::validate::FieldErrors;
use crate::broker::commands::{AuthorizationResponse, CompleteAuthorization};
use crate::broker::{BROWSER_LINK_PATH, Broker, Ended, Error, Followed};
use crate::identity::{FlowId, Owner, ProviderId};
use crate::log_limit::log_limited;
use crate::server::Reply;
use crate::server::body::RequestBody;
use crate::{advice, vault};

/// The path of the page of a finished flow; the flow's identifier follows.
const ENDED_PATH: &str = "/connected/";

/// The paths of callbacks; the provider's identifier follows. The first is
/// registered with providers, the other is the contract's.
const CALLBACK_PATHS: [&str; 2] = ["/host-oauth-callback/", "/v2/auth/callback/"];

/// The path to which GitHub redirects after an app was installed or changed; the
/// provider's identifier follows.
const SETUP_PATH: &str = "/v2/auth/setup/";

/// How long a browser waits for the exchange of its code. After that it gets a page
/// that reloads itself, so that a slow provider does not occupy a connection. Most
/// exchanges take less.
const BROWSER_WAIT: Duration = Duration::from_secs(2);

/// Answers one request of a browser. `own_hosts` are the accepted values of its
/// `Host`, `endpoints` its connection.
pub async fn answer(
    broker: Broker,
    own_hosts: &[String],
    allowed: AllowedPeers,
    endpoints: Endpoints,
    request: Request<RequestBody>,
) -> Reply {
    if let Err(failure) = request_filter::check(own_hosts, request.method(), request.headers()) {
        return reply(&pages::failed(&failure));
    }
    let owner = match admit(allowed, endpoints).await {
        Ok(owner) => owner,
        Err(peer_user) => {
            log_limited!(1, warn, ?peer_user, "rejected a redirect of another user");
            return reply(&pages::failed(&Failure::OtherUser));
        }
    };
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default();
    let asked = path.strip_prefix(consent::PATH);
    let named = asked.or_else(|| path.strip_prefix(ENDED_PATH));
    if let (Some(owner), Some(flow)) = (owner, named)
        && !FlowId::parse(flow).is_some_and(|flow| broker.logins().is_flow_of(owner, flow))
    {
        return reply(&pages::failed(&Failure::NotFound));
    }
    if *request.method() != Method::GET {
        return match asked {
            Some(flow) => consent::answer(&broker, own_hosts, flow, request).await,
            None => match path.strip_prefix(ENDED_PATH) {
                Some(flow) => follow_up::answer(&broker, own_hosts, flow, request).await,
                None => reply(&pages::failed(&Failure::MethodNotAllowed)),
            },
        };
    }
    if let Some(token) = path.strip_prefix(BROWSER_LINK_PATH) {
        return follow_link(&broker, owner, token);
    }
    if let Some(flow) = asked {
        return consent::show(&broker, flow).await;
    }
    if let Some(flow) = path.strip_prefix(ENDED_PATH) {
        return reply(&follow_up::ended_page(&broker, flow).await);
    }
    let under = |prefix: &&str| path.strip_prefix(*prefix);
    let callback = |provider_id| Callback {
        provider_id,
        query,
        owner,
        base: "",
    };
    let handled = if let Some(provider_id) = under(&SETUP_PATH) {
        handle_setup(&broker, callback(provider_id)).await
    } else if let Some(provider_id) = CALLBACK_PATHS.iter().find_map(under) {
        handle_callback(&broker, callback(provider_id)).await
    } else {
        return reply(&pages::failed(&Failure::NotFound));
    };
    handled.unwrap_or_else(|error| match error {
        CallbackError::FieldErrors(_) => reply(&pages::failed(&Failure::BadRequest)),
        CallbackError::Broker(error) => reply(&failed_page(&broker, &error)),
    })
}

/// The owner whose flows the peer may see and finish; `None` for all owners. The
/// kernel is asked only if not every peer is allowed.
async fn admit(allowed: AllowedPeers, endpoints: Endpoints) -> Result<Option<Owner>, PeerUser> {
    if allowed == AllowedPeers::All {
        return Ok(None);
    }
    allowed.admit(endpoints.peer_user().await)
}

/// Redirects a browser that opened a one-time link to its login.
fn follow_link(broker: &Broker, owner: Option<Owner>, token: &str) -> Reply {
    match broker.logins().follow_browser_link(owner, token) {
        Ok(Some(Followed::RedirectToProvider(address))) => see_other(&address),
        Ok(Some(Followed::Finished(flow))) => see_other(&format!("{ENDED_PATH}{flow}")),
        Ok(None) => reply(&pages::failed(&Failure::LinkUsed)),
        Err(error) => reply(&failed_page(broker, &error)),
    }
}

/// Why a callback was rejected. Nothing was changed.
#[derive(Debug)]
pub enum CallbackError {
    /// Its parameters are invalid.
    FieldErrors(FieldErrors),
    /// There is no flow for it, or the flow cannot be finished.
    Broker(Error),
}

/// A redirect from a provider.
#[derive(Clone, Copy)]
pub struct Callback<'a> {
    /// The provider's identifier in the path.
    pub provider_id: &'a str,
    /// The query without the `?`. It contains a code.
    pub query: &'a str,
    /// The owner who sent it, if known. Only flows of this owner are considered.
    pub owner: Option<Owner>,
    /// The base URL of the final page, such as `http://127.0.0.1:8252`; empty for
    /// the same host.
    pub base: &'a str,
}

/// Finishes the flow of a callback and redirects the browser to a page without a
/// code in its URL.
///
/// # Errors
/// [`CallbackError`] says why the callback was rejected.
pub async fn handle_callback(
    broker: &Broker,
    callback: Callback<'_>,
) -> Result<Reply, CallbackError> {
    let response = CallbackQuery::from_query(callback.query).map_err(CallbackError::FieldErrors)?;
    complete(broker, callback, response.into()).await
}

/// Handles GitHub's redirect after an app was installed, like
/// [`handle_callback`]. A redirect without a code, or after a change to the app
/// (`setup_action=update`), gets a page that says so.
///
/// # Errors
/// [`CallbackError`] says why the callback was rejected.
pub async fn handle_setup(broker: &Broker, callback: Callback<'_>) -> Result<Reply, CallbackError> {
    let setup = SetupQuery::from_query(callback.query).map_err(CallbackError::FieldErrors)?;
    let response = setup.callback;
    let is_update = setup.setup_action.as_deref() == Some("update");
    let is_bare = setup.setup_action.is_some() && response.code.is_none();
    if is_update || (is_bare && response.error.is_none()) {
        return Ok(reply(&pages::failed(&Failure::SetupUpdated)));
    }
    complete(broker, callback, response.into()).await
}

async fn complete(
    broker: &Broker,
    callback: Callback<'_>,
    response: AuthorizationResponse,
) -> Result<Reply, CallbackError> {
    let provider_id = ProviderId::parse(callback.provider_id);
    let command = CompleteAuthorization {
        provider_id: provider_id.ok_or(CallbackError::Broker(Error::UnknownState))?,
        response,
        owner: callback.owner,
    };
    let completion = match broker.logins().begin_completion(command) {
        Ok(completion) => completion,
        Err(Error::AlreadyEnded { flow }) => return Ok(to_ended_page(callback, flow)),
        Err(error) => return Err(CallbackError::Broker(error)),
    };
    let flow = completion.flow;
    match tokio::time::timeout(BROWSER_WAIT, completion.ended()).await {
        // The page reloads itself until the exchange has finished.
        Err(_) => Ok(to_ended_page(callback, flow)),
        // A reloaded callback shows the result; nothing is exchanged again.
        Ok(Ok(Ended { flow, .. }) | Err(Error::AlreadyEnded { flow })) => {
            Ok(to_ended_page(callback, flow))
        }
        Ok(Err(error)) => Err(CallbackError::Broker(error)),
    }
}

fn to_ended_page(callback: Callback<'_>, flow: FlowId) -> Reply {
    see_other(&format!("{}{ENDED_PATH}{flow}", callback.base))
}

fn failed_page(broker: &Broker, error: &Error) -> Page {
    match error {
        Error::UnknownState => pages::failed(&Failure::UnknownState),
        Error::NotFound(_) => pages::failed(&Failure::NotFound),
        Error::Stopping => pages::failed(&Failure::Restarting),
        Error::Vault(vault::Error::Unwritable { why }) => {
            log_limited!(20, error, error = %error, "cannot store a login now");
            let why = why.clone() + &advice::for_unwritable(broker.maintenance());
            pages::failed(&Failure::CannotStore { why: &why })
        }
        _ => {
            let request_id = broker.new_request_id().to_string();
            log_limited!(20, error, request.id = %request_id, error = %error, "cannot handle a callback");
            pages::failed(&Failure::Internal {
                request_id: &request_id,
            })
        }
    }
}

fn see_other(location: &str) -> Reply {
    let mut reply = bare(StatusCode::SEE_OTHER, "");
    if let Ok(location) = HeaderValue::from_str(location) {
        reply.headers_mut().insert(LOCATION, location);
    }
    reply
}

fn reply(page: &Page) -> Reply {
    let status = StatusCode::from_u16(page.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut reply = bare(status, page.html.clone());
    let headers = reply.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    let policy = HeaderValue::from_static(page.content_security_policy());
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET"));
    }
    reply
}

fn bare(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    for (name, value) in pages::SECURITY_HEADERS {
        let (Ok(name), value) = (HeaderName::try_from(*name), HeaderValue::from_static(value))
        else {
            continue;
        };
        reply.headers_mut().insert(name, value);
    }
    reply
}
