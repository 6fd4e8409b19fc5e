//! Requests for tokens, and login flows.

use std::time::Duration;

use http_body_util::Either;
use serde_json::json;

use super::super::call::Call;
use super::super::reply::{self, Answer};
use crate::api::replies::{
    AuthStatus, AuthenticateResponse, BrowserLinkResponse, WaitResponse, WaitStatus, flow_metadata,
    token_metadata,
};
use crate::api::requests::{AuthenticateRequest, FinalizeRequest, WaitQuery};
use crate::broker;
use crate::broker::commands::CompleteAuthorization;
use crate::broker::{Authenticated, IssuedToken, Missing, Outcome, Waited};
use crate::identity::{FlowId, UserId};
use crate::redirect::{self, Callback};

pub(in crate::http) async fn authenticate(call: Call) -> Answer {
    let request = AuthenticateRequest::from_json(&call.body)?;
    let command = request.try_into()?;
    let tokens = call.broker.tokens();
    let authenticated = tokens.authenticate(call.peer.owner, &command).await?;
    reply::ok(&authenticate_response(authenticated))
}

fn authenticate_response(authenticated: Authenticated) -> AuthenticateResponse {
    let bare = |status, user_id: &UserId| AuthenticateResponse {
        status,
        url: None,
        auth_id: None,
        token: None,
        user_id: Some(user_id.to_string()),
        metadata: None,
    };
    let (status, ask) = match authenticated {
        Authenticated::Completed(IssuedToken {
            token,
            access_token,
            is_refused,
        }) => {
            let mut metadata = token_metadata(&token);
            if is_refused {
                metadata.insert("refused".to_owned(), json!(true));
            }
            return AuthenticateResponse {
                metadata: Some(metadata),
                token: Some(access_token),
                ..bare(AuthStatus::Completed, &token.user_id)
            };
        }
        Authenticated::NoToken(user_id) => {
            return bare(AuthStatus::ConnectionRequired, &user_id);
        }
        Authenticated::Pending(ask) => (AuthStatus::Pending, ask),
        Authenticated::ConnectionRequired(ask) => (AuthStatus::ConnectionRequired, ask),
        Authenticated::TokenExpired(ask) => (AuthStatus::TokenExpired, ask),
    };
    AuthenticateResponse {
        auth_id: Some(ask.flow.to_string()),
        url: Some(ask.url),
        metadata: Some(flow_metadata(ask.is_new)),
        ..bare(status, &ask.user_id)
    }
}

pub(in crate::http) async fn wait(call: Call) -> Answer {
    let query = WaitQuery::from_query(&call.query)?;
    let bare = WaitResponse::new;
    // A malformed identifier matches no flow.
    let Some(flow) = FlowId::parse(call.parameter(0)) else {
        return reply::ok(&bare(WaitStatus::NotFound));
    };
    let logins = call.broker.logins();
    let waited = logins.wait(call.peer.owner, flow, query.timeout).await?;
    reply::ok(&match waited {
        Waited::Pending => bare(WaitStatus::Pending),
        Waited::TimedOut => bare(WaitStatus::Timeout),
        Waited::NotFound => bare(WaitStatus::NotFound),
        Waited::Failed { error, description } => WaitResponse {
            error: Some(error),
            error_description: description,
            ..bare(WaitStatus::NotFound)
        },
        Waited::Completed(IssuedToken {
            token,
            access_token,
            ..
        }) => WaitResponse {
            user_id: Some(token.user_id.to_string()),
            metadata: Some(token_metadata(&token)),
            token: Some(access_token),
            ..bare(WaitStatus::Completed)
        },
    })
}

/// Not in the contract: a URL with which a browser can be started without showing
/// the state in its command line.
pub(in crate::http) async fn browser_link(call: Call) -> Answer {
    let flow = call.flow_id(Missing::PendingLogin)?;
    let link = call.broker.logins().browser_link(call.peer.owner, flow)?;
    reply::ok(&BrowserLinkResponse {
        url: link.url,
        expires_at: link.expires_at,
    })
}

pub(in crate::http) async fn callback_of_browser(call: Call) -> Answer {
    Ok(redirect::handle_callback(&call.broker, callback_of(&call))
        .await?
        .map(Either::Left))
}

pub(in crate::http) async fn setup_of_browser(call: Call) -> Answer {
    Ok(redirect::handle_setup(&call.broker, callback_of(&call))
        .await?
        .map(Either::Left))
}

/// A callback that a front end forwards. Its browser is redirected to the pages of
/// the loopback listener.
fn callback_of(call: &Call) -> Callback<'_> {
    Callback {
        provider_id: call.parameter(0),
        query: &call.query,
        owner: Some(call.peer.owner),
        base: call.broker.redirect_base(),
    }
}

pub(in crate::http) async fn callback(call: Call) -> Answer {
    let request = FinalizeRequest::from_json(&call.body)?;
    // An unknown provider is 404, whatever the state.
    let provider_id = call.provider_id(0)?;
    let providers = call.broker.providers();
    providers.usable(call.peer.owner, &provider_id)?;
    let command = CompleteAuthorization {
        provider_id: provider_id.clone(),
        response: request.into(),
        owner: Some(call.peer.owner),
    };
    let logins = call.broker.logins();
    match logins.complete_authorization(command).await?.outcome {
        Outcome::Connected(token) => {
            reply::ok(&json!({ "status": "completed", "metadata": token_metadata(&token) }))
        }
        Outcome::Refused { error, description } => {
            Err(broker::Error::FlowFailed { error, description }.into())
        }
        Outcome::Unavailable => {
            let unavailable = broker::Error::ProviderUnavailable {
                provider_id,
                retry_after: Duration::from_secs(5),
            };
            Err(unavailable.into())
        }
    }
}
