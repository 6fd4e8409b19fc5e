//! An owner's tokens and events.

use super::super::call::Call;
use super::super::lists::{self, Enclosing};
use super::super::reply::{self, Answer, Error};
use crate::api::replies::{
    Message, RevokeTokensResponse, TokenEventSummary, TokenImportResponse,
    TokenStatusBatchResponse, TokenStatusResponse, TokenSummary,
};
use crate::api::requests::{
    EventsQuery, OptionalProviderQuery, ProviderQuery, TokenImportRequest, TokenStatusBatchRequest,
    TokenUpdateRequest, identifiers,
};
use crate::broker::Deleted;
use crate::broker::commands::RowName;
use crate::identity::{ProviderId, TokenId};

pub(in crate::http) async fn list_tokens(call: Call) -> Answer {
    let query = OptionalProviderQuery::from_query(&call.query)?;
    let Some(provider_id) = only_provider(query.provider_id.as_deref()) else {
        return reply::ok(&[(); 0]);
    };
    let (broker, owner) = (call.broker.clone(), call.peer.owner);
    let read = move |from| {
        let page = broker.tokens().list(owner, provider_id.as_ref(), from)?;
        Ok(page.map(|token| TokenSummary::new(&token)))
    };
    lists::reply(&call, Enclosing("[", "]"), read).await
}

/// The provider that a list is narrowed down to, if to any. `None` for a name that
/// no provider can have: the list is empty then.
fn only_provider(name: Option<&str>) -> Option<Option<ProviderId>> {
    name.map_or(Some(None), |name| ProviderId::parse(name).map(Some))
}

pub(in crate::http) async fn delete_tokens(call: Call) -> Answer {
    let ProviderQuery { provider_id } = ProviderQuery::from_query(&call.query)?;
    let deleted = call
        .broker
        .tokens()
        .delete_of_provider(call.peer.owner, &identifiers::provider(&provider_id)?)
        .await?;
    let Deleted {
        tokens, revoked, ..
    } = &deleted;
    let message = format!("Deleted {tokens} tokens, {revoked} of them revoked at the provider");
    let message = message + &pending(&deleted);
    reply::ok(&RevokeTokensResponse {
        message,
        provider_id,
    })
}

pub(in crate::http) async fn import_token(call: Call) -> Answer {
    let request = TokenImportRequest::from_json(&call.body)?;
    let command = request.try_into()?;
    let tokens = call.broker.tokens();
    let token_id = tokens.import(call.peer.owner, command).await?;
    reply::ok(&TokenImportResponse {
        token_id: token_id.to_string(),
    })
}

pub(in crate::http) async fn token_exists(call: Call) -> Answer {
    let query = ProviderQuery::from_query(&call.query)?;
    let has_token = has_token(&call, &query.provider_id)?;
    reply::ok(&TokenStatusResponse { has_token })
}

pub(in crate::http) async fn tokens_exist(call: Call) -> Answer {
    let request = TokenStatusBatchRequest::from_json(&call.body)?;
    let named = request.provider_ids.into_iter();
    let has_token: Result<_, Error> = named
        .map(|id| has_token(&call, &id).map(|has_token| (id, has_token)))
        .collect();
    reply::ok(&TokenStatusBatchResponse {
        has_token: has_token?,
    })
}

/// Whether the caller has a token of a provider; none where no provider can have
/// that name.
fn has_token(call: &Call, provider_id: &str) -> Result<bool, Error> {
    match ProviderId::parse(provider_id) {
        Some(id) => Ok(call.broker.tokens().has_token(call.peer.owner, &id)?),
        None => Ok(false),
    }
}

pub(in crate::http) async fn delete_token(call: Call) -> Answer {
    let token = RowName::new(call.parameter(0), TokenId::parse);
    let deleted = call.broker.tokens().delete(call.peer.owner, token).await?;
    Ok(reply::deleted(&deleted.also_ended))
}

pub(in crate::http) async fn update_token(call: Call) -> Answer {
    let request = TokenUpdateRequest::from_json(&call.body)?;
    let command = request.into_command(identifiers::token(call.parameter(0))?);
    let tokens = call.broker.tokens();
    let token = tokens.update(call.peer.owner, command).await?;
    reply::ok(&TokenSummary::new(&token))
}

pub(in crate::http) async fn slack_token_exists(call: Call) -> Answer {
    let has_token = call
        .broker
        .tokens()
        .has_slack_token(call.peer.owner)
        .await?;
    reply::ok(&TokenStatusResponse { has_token })
}

pub(in crate::http) async fn delete_slack_tokens(call: Call) -> Answer {
    let deleted = call
        .broker
        .tokens()
        .delete_of_slack(call.peer.owner)
        .await?;
    let Deleted {
        tokens, revoked, ..
    } = &deleted;
    let message = format!("Deleted {tokens} Slack tokens, {revoked} of them revoked at Slack");
    let message = message + &pending(&deleted);
    reply::ok(&Message { message })
}

/// The part of a message about revocations that are still under way, and about other
/// tokens that they may end.
pub(super) fn pending(deleted: &Deleted) -> String {
    let mut text = match deleted.pending {
        0 => String::new(),
        pending => {
            format!("; {pending} are still being revoked, and an event will say how that ended")
        }
    };
    if !deleted.also_ended.is_empty() {
        let ids: Vec<_> = deleted.also_ended.iter().map(ToString::to_string).collect();
        text += "; at many providers that ends other tokens of the same account too: ";
        text += &ids.join(", ");
    }
    text
}

pub(in crate::http) async fn list_events(call: Call) -> Answer {
    let query = EventsQuery::from_query(&call.query)?;
    let Some(provider_id) = only_provider(query.provider_id.as_deref()) else {
        return reply::ok(&[(); 0]);
    };
    // A page can have a megabyte if there are many scopes.
    let _turn = call.broker.long_read_turn(call.peer.owner).await;
    let events = call
        .broker
        .tokens()
        .events(call.peer.owner, provider_id.as_ref(), query.limit)?;
    reply::ok(
        &events
            .iter()
            .map(TokenEventSummary::new)
            .collect::<Vec<_>>(),
    )
}
