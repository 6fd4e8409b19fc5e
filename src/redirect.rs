//! The loopback listener that a provider sends the browser back to (RFC 8252,
//! section 7.3), and the pages a person sees there.
//!
//! Any web page can make a browser come here, so it answers only navigations
//! to its exact paths under its exact name, tells an unknown state nothing,
//! echoes nothing, and sends the browser on to a page without a code in its
//! address.

pub mod address;
mod consent;
mod follow_up;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod request_filter;
pub mod listener;
pub mod pages;
pub mod peer_user;

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

/// Where a finished flow's page is; its identifier follows.
const ENDED_PATH: &str = "/connected/";

/// Paths that a redirect may come to; the provider's identifier follows. The
/// first is what is registered with providers, the others are the contract's.
const CALLBACK_PATHS: [&str; 2] = ["/host-oauth-callback/", "/v2/auth/callback/"];

/// Where GitHub comes back to after an app was installed or changed; the
/// provider's identifier follows.
const SETUP_PATH: &str = "/v2/auth/setup/";

/// How long a browser waits for the exchange of its code. Then it gets a page
/// that asks again, so that a provider that does not answer holds no
/// connection. Most exchanges take less.
const BROWSER_WAIT: Duration = Duration::from_secs(2);

/// Answers one request of a browser.
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
            log_limited!(1, warn, ?peer_user, "another user's redirect was refused");
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

/// Whose flows the visitor may end and see. Not asked where all are welcome.
async fn admit(allowed: AllowedPeers, endpoints: Endpoints) -> Result<Option<Owner>, PeerUser> {
    if allowed == AllowedPeers::All {
        return Ok(None);
    }
    allowed.admit(endpoints.peer_user().await)
}

/// Sends a browser that was started on a link on to its login.
fn follow_link(broker: &Broker, owner: Option<Owner>, token: &str) -> Reply {
    match broker.logins().follow_browser_link(owner, token) {
        Ok(Some(Followed::RedirectToProvider(address))) => see_other(&address),
        Ok(Some(Followed::Finished(flow))) => see_other(&format!("{ENDED_PATH}{flow}")),
        Ok(None) => reply(&pages::failed(&Failure::LinkUsed)),
        Err(error) => reply(&failed_page(broker, &error)),
    }
}

/// Why a redirect was not taken; nothing has changed.
#[derive(Debug)]
pub enum CallbackError {
    /// Its parameters are not those of a redirect.
    FieldErrors(FieldErrors),
    /// It names no flow that waits for it.
    Broker(Error),
}

/// A redirect of a provider's, as it arrived.
#[derive(Clone, Copy)]
pub struct Callback<'a> {
    /// The provider's identifier in the address that it came to.
    pub provider_id: &'a str,
    /// Its query, without the `?`; it holds a code.
    pub query: &'a str,
    /// Who brought it, if that is known: only that owner's flows are.
    pub owner: Option<Owner>,
    /// Where the page is on which it ends: nothing if on the same host, else
    /// such as `http://127.0.0.1:8252`.
    pub base: &'a str,
}

/// Ends the flow that a redirect names, and sends the browser on to a page
/// that has no code in its address.
///
/// # Errors
/// [`CallbackError`].
pub async fn handle_callback(
    broker: &Broker,
    callback: Callback<'_>,
) -> Result<Reply, CallbackError> {
    let response = CallbackQuery::from_query(callback.query).map_err(CallbackError::FieldErrors)?;
    complete(broker, callback, response.into()).await
}

/// The same for a redirect of GitHub's after an app was installed. One that
/// brings nothing to exchange, or comes from a change to the app
/// (`setup_action=update`), gets a page that says so.
///
/// # Errors
/// [`CallbackError`].
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
        // The page says that it goes on, until it has ended.
        Err(_) => Ok(to_ended_page(callback, flow)),
        // Whoever reloads the redirect sees how it ended; nothing is done again.
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
            log_limited!(20, error, error = %error, "a login cannot be stored yet");
            let why = why.clone() + &advice::for_unwritable(broker.maintenance());
            pages::failed(&Failure::CannotStore { why: &why })
        }
        _ => {
            let request_id = broker.new_request_id().to_string();
            log_limited!(20, error, request.id = %request_id, error = %error, "a redirect could not be handled");
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
