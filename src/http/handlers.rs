//! The operations: read the request, do the use case, write the reply.

use std::time::Duration;

use serde_json::json;

use super::reply::{self, Answer};
use super::request::Call;
use crate::api::replies::{
    AuthStatus, AuthenticateResponse, Health, Info, Message, ProviderResponse,
    RevokeTokensResponse, TokenImportResponse, TokenStatusResponse, TokenSummary, WaitResponse,
    WaitStatus, token_metadata,
};
use crate::api::requests::{
    AuthenticateRequest, CallbackQuery, FinalizeRequest, OptionalProviderQuery,
    ProviderCreateRequest, ProviderQuery, ProviderUpdateRequest, TokenImportRequest, WaitQuery,
};
use crate::broker::{Authenticated, AuthorizationResponse, HandedOut, Outcome, Waited};
use crate::identity::UserId;
use crate::provider::Provider;
use crate::{broker, redirect};

pub(super) async fn ok(_: Call) -> Answer {
    reply::ok(&json!({ "ok": true }))
}

pub(super) async fn info(call: Call) -> Answer {
    let counts = call.broker.counts(call.peer.owner)?;
    let degraded_reason = call.broker.trouble();
    reply::ok(&Info {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        status: if degraded_reason.is_none() {
            Health::Ok
        } else {
            Health::Degraded
        },
        degraded_reason,
        redirect_base: call.broker.redirect_base().to_owned(),
        providers: counts.providers.into(),
        tokens: counts.tokens.into(),
        flows_pending: counts.flows_pending.into(),
    })
}

pub(super) async fn authenticate(call: Call) -> Answer {
    let request = AuthenticateRequest::from_json(&call.body)?;
    let authenticated = call.broker.authenticate(call.peer.owner, &request).await?;
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
        Authenticated::Completed(HandedOut {
            token,
            access_token,
        }) => {
            return AuthenticateResponse {
                metadata: Some(token_metadata(&token)),
                token: Some(access_token),
                ..bare(AuthStatus::Completed, &token.user_id)
            };
        }
        Authenticated::NothingYet(user_id) => {
            return bare(AuthStatus::ConnectionRequired, &user_id);
        }
        Authenticated::Pending(ask) => (AuthStatus::Pending, ask),
        Authenticated::ConnectionRequired(ask) => (AuthStatus::ConnectionRequired, ask),
        Authenticated::TokenExpired(ask) => (AuthStatus::TokenExpired, ask),
    };
    AuthenticateResponse {
        auth_id: Some(ask.flow.to_string()),
        url: Some(ask.url),
        ..bare(status, &ask.user_id)
    }
}

pub(super) async fn wait(call: Call) -> Answer {
    let query = WaitQuery::from_query(&call.query)?;
    let timeout = Duration::from_secs(query.timeout.into());
    let waited = call
        .broker
        .wait(call.peer.owner, call.parameter(0), timeout)
        .await?;
    let bare = WaitResponse::new;
    reply::ok(&match waited {
        Waited::Pending => bare(WaitStatus::Pending),
        Waited::TimedOut => bare(WaitStatus::Timeout),
        Waited::NotFound => bare(WaitStatus::NotFound),
        Waited::Failed { error, description } => WaitResponse {
            error: Some(error),
            error_description: description,
            ..bare(WaitStatus::NotFound)
        },
        Waited::Completed(HandedOut {
            token,
            access_token,
        }) => WaitResponse {
            user_id: Some(token.user_id.to_string()),
            metadata: Some(token_metadata(&token)),
            token: Some(access_token),
            ..bare(WaitStatus::Completed)
        },
    })
}

pub(super) async fn callback_of_browser(call: Call) -> Answer {
    Ok(redirect::callback_reply(&call.broker, call.parameter(0), Some(&call.query)).await)
}

pub(super) async fn callback(call: Call) -> Answer {
    let request = FinalizeRequest::from_json(&call.body)?;
    let response = CallbackQuery {
        code: Some(request.code),
        state: Some(request.state),
        ..CallbackQuery::default()
    };
    // An unknown provider is 404, whatever the state.
    let provider = call.broker.provider(call.peer.owner, call.parameter(0))?;
    let provider_id = provider.provider_id.to_string();
    let arrived = AuthorizationResponse {
        provider_id,
        response,
        owner: Some(call.peer.owner),
    };
    match call.broker.finish(arrived).await?.outcome {
        Outcome::Connected(token) => {
            reply::ok(&json!({ "status": "completed", "metadata": token_metadata(&token) }))
        }
        Outcome::Refused { error, description } => {
            Err(broker::Error::FlowFailed { error, description }.into())
        }
        Outcome::Unavailable => {
            let retry_after = Duration::from_secs(5);
            Err(broker::Error::ProviderUnavailable { retry_after }.into())
        }
    }
}

pub(super) async fn list_providers(call: Call) -> Answer {
    let providers = call.broker.providers(call.peer.owner)?;
    reply::ok(
        &providers
            .iter()
            .map(|provider| response(&call, provider))
            .collect::<Vec<_>>(),
    )
}

pub(super) async fn create_provider(call: Call) -> Answer {
    let request = ProviderCreateRequest::from_json(&call.body)?;
    let provider = call
        .broker
        .create_provider(call.peer.owner, request)
        .await?;
    reply::ok(&response(&call, &provider))
}

pub(super) async fn show_provider(call: Call) -> Answer {
    let provider = call.broker.provider(call.peer.owner, call.parameter(0))?;
    reply::ok(&response(&call, &provider))
}

pub(super) async fn update_provider(call: Call) -> Answer {
    let request = ProviderUpdateRequest::from_json(&call.body)?;
    let provider = call
        .broker
        .update_provider(call.peer.owner, call.parameter(0), request)
        .await?;
    reply::ok(&response(&call, &provider))
}

pub(super) async fn delete_provider(call: Call) -> Answer {
    let provider_id = call.parameter(0);
    call.broker
        .delete_provider(call.peer.owner, provider_id)
        .await?;
    reply::ok(&Message {
        message: format!("Deleted the provider {provider_id} and its tokens"),
    })
}

pub(super) async fn list_tokens(call: Call) -> Answer {
    let query = OptionalProviderQuery::from_query(&call.query)?;
    let tokens = call
        .broker
        .tokens(call.peer.owner, query.provider_id.as_deref())?;
    reply::ok(&tokens.iter().map(TokenSummary::new).collect::<Vec<_>>())
}

pub(super) async fn delete_tokens(call: Call) -> Answer {
    let ProviderQuery { provider_id } = ProviderQuery::from_query(&call.query)?;
    let (count, revoked) = call
        .broker
        .delete_tokens_of_provider(call.peer.owner, &provider_id)
        .await?;
    let message = format!("Deleted {count} tokens, {revoked} of them revoked at the provider");
    reply::ok(&RevokeTokensResponse {
        message,
        provider_id,
    })
}

pub(super) async fn import_token(call: Call) -> Answer {
    let request = TokenImportRequest::from_json(&call.body)?;
    let token_id = call.broker.import_token(call.peer.owner, request).await?;
    reply::ok(&TokenImportResponse {
        token_id: token_id.to_string(),
    })
}

pub(super) async fn token_exists(call: Call) -> Answer {
    let query = ProviderQuery::from_query(&call.query)?;
    let has_token = call.broker.has_token(call.peer.owner, &query.provider_id)?;
    reply::ok(&TokenStatusResponse { has_token })
}

fn response(call: &Call, provider: &Provider) -> ProviderResponse {
    let organization_id = call.broker.organization_id(call.peer.owner);
    ProviderResponse::new(
        provider,
        organization_id,
        call.broker.default_redirect_uri(provider),
    )
}
