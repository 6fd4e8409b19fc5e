//! Storing what an exchange gave: a new token, or a new grant for one there
//! is, with all that hangs on it.

use super::Broker;
use crate::clock::Timestamp;
use crate::event::{Event, Kind, Source};
use crate::flow::{Flow, Purpose};
use crate::identity::{Scopes, TokenId};
use crate::provider::Provider;
use crate::token::{Grant, State, Token};
use crate::vault::{self, Change, Secrets, Stored};

impl Broker {
    /// Stores what the provider gave, with all that hangs on it, and ends the
    /// flow, in one change.
    pub(super) async fn store_grant(
        &self,
        flow: Flow,
        provider: Provider,
        grant: Grant,
    ) -> Result<Token, vault::Error> {
        let now = self.0.ambient.now();
        let token_id = TokenId::new(self.0.ambient.uuid());
        let event_id = self.0.ambient.uuid();
        let permission = self.permission_of_flow(&flow, Source::Flow, "login");
        self.save(move |change| {
            let new = || new_token(token_id, &flow, &provider, &grant, now);
            let before = match flow.purpose {
                Purpose::Renew(token_id) => change.token(flow.owner, token_id)?,
                _ => None,
            };
            let renewed = renewed_token(change, &flow, &provider, &grant, now)?;
            let is_renewed = renewed.is_some();
            let token = match renewed {
                Some(token) => {
                    change.replace_token(&token, grant_secrets(&grant))?;
                    // The person has answered whatever was in doubt.
                    change.end_attempt(token.owner, token.id)?;
                    token
                }
                None => change.add_token(new(), grant_secrets(&grant), flow.is_default)?,
            };
            let reason = if is_renewed { "renewed" } else { "login" };
            let event = Event::about(&token, Kind::Connected, Source::Flow, event_id, now);
            change.add_event(&event.because(reason))?;
            if let Some(permission) = &permission {
                let before = before.as_ref().filter(|_| is_renewed);
                change.permit(permission, &token, &permitted_by_flow(&token, before))?;
            }
            // Its provider was deleted meanwhile, and its flows with it: then
            // nothing of this change may stay.
            let is_wanted = change.complete_flow(&flow, token.id, now)?;
            if is_wanted {
                Ok(token)
            } else {
                Err(vault::Error::NotFound)
            }
        })
        .await
    }
}

/// The scopes that an agent's own flow permits it: all of a new token, and of one
/// that it renewed those that it added. What others had added before stays theirs.
fn permitted_by_flow(token: &Token, before: Option<&Stored>) -> Scopes {
    match before {
        None => token.scopes_shown(),
        Some(before) => token.requested.difference(&before.token.requested),
    }
}

/// The token that a flow renews in place, with its new grant; `None` if the
/// flow makes a new one, the old one is gone, or the person chose another
/// account this time: the old account's grant is not thrown away for it.
fn renewed_token(
    change: &Change<'_>,
    flow: &Flow,
    provider: &Provider,
    grant: &Grant,
    now: Timestamp,
) -> Result<Option<Token>, vault::Error> {
    let Purpose::Renew(token_id) = flow.purpose else {
        return Ok(None);
    };
    let Some(stored) = change.token(flow.owner, token_id)? else {
        return Ok(None);
    };
    let old = stored.token;
    let is_other = |(old, new): (&String, &String)| old != new;
    if old
        .account_label
        .as_ref()
        .zip(grant.account_label.as_ref())
        .is_some_and(is_other)
    {
        return Ok(None);
    }
    // Which of the user's own tokens is the default is not an agent's to change.
    let is_default = flow.is_default && flow.agent_id == old.agent_id;
    if is_default {
        change.set_default(&old)?;
    }
    let mut metadata = old.metadata.clone();
    metadata.extend(grant.metadata.clone());
    Ok(Some(Token {
        is_default: old.is_default || is_default,
        generation: old.generation + 1,
        created_at: old.created_at,
        used_at: old.used_at,
        agent_id: old.agent_id,
        account_label: grant.account_label.clone().or(old.account_label),
        own_label: old.own_label,
        metadata,
        ..new_token(old.id, flow, provider, grant, now)
    }))
}

fn new_token(
    id: TokenId,
    flow: &Flow,
    provider: &Provider,
    grant: &Grant,
    now: Timestamp,
) -> Token {
    Token {
        id,
        owner: flow.owner,
        provider: flow.provider.clone(),
        binding: provider.binding(),
        user_id: flow.user_id.clone(),
        agent_id: flow.agent_id.clone(),
        account_label: grant.account_label.clone(),
        own_label: None,
        token_type: grant.token_type.clone(),
        granted: grant
            .scopes
            .clone()
            .unwrap_or_else(|| flow.requested.clone()),
        requested: flow.requested.clone(),
        issued_at: now,
        expires_at: grant.expires_at,
        is_refreshable: grant.refresh_token.is_some(),
        is_default: flow.is_default,
        state: State::Active,
        generation: 1,
        metadata: grant.metadata.clone(),
        created_at: now,
        updated_at: now,
        refreshed_at: None,
        failure: None,
        used_at: None,
    }
}

pub(super) fn grant_secrets(grant: &Grant) -> Secrets<'_> {
    Secrets {
        access_token: &grant.access_token,
        refresh_token: grant.refresh_token.as_ref(),
    }
}
