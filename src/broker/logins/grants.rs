//! Storing the grant that a flow brought: as a new token, or as the renewed grant of
//! a stored one.

use crate::broker::accounts::sameness;
use crate::broker::context::Context;
use crate::clock::Timestamp;
use crate::event::{Event, Kind, Source};
use crate::flow::{Flow, Purpose};
use crate::identity::{Scopes, TokenId};
use crate::provider::Provider;
use crate::token::{Grant, Sameness, State, Token};
use crate::vault::{self, Change, Secrets, Stored};

/// Stores the grant that a flow brought, its permission and its event, and ends the
/// flow, in one change.
///
/// # Errors
/// [`vault::Error::NotFound`] if the flow was deleted meanwhile; nothing is stored
/// then.
pub(super) async fn store_grant(
    context: &Context,
    flow: Flow,
    provider: Provider,
    grant: Grant,
) -> Result<Token, vault::Error> {
    let now = context.env.now();
    let token_id = TokenId::new(context.env.uuid());
    let event_id = context.env.uuid();
    let permission = context.permission_of_flow(&flow, Source::Flow, "login");
    context
        .save(flow.owner, move |change| {
            let target = target(change, &flow, &grant)?;
            let (token, permitted) = match &target {
                Target::New => {
                    let token = new_token(token_id, &flow, &provider, &grant, now);
                    let token = change.add_token(token, grant_secrets(&grant), flow.is_default)?;
                    let permitted = token.scopes_shown();
                    (token, permitted)
                }
                Target::Beside(_) => {
                    let token = new_token(token_id, &flow, &provider, &grant, now);
                    let token = change.add_token(token, grant_secrets(&grant), false)?;
                    let permitted = token.scopes_shown();
                    (token, permitted)
                }
                Target::InPlace(old) => {
                    if takes_default(&flow, old) {
                        change.set_default(old)?;
                    }
                    let token = renewed_token(old, &flow, &provider, &grant, now);
                    change.replace_token(&token, grant_secrets(&grant))?;
                    // The new login settles an attempt that was in doubt.
                    change.end_attempt(token.owner, token.id)?;
                    (token, permitted_in_place(&flow, old))
                }
            };
            if grant.access_token.is_missing() {
                // An open attempt, so that the next start refreshes it, too.
                change.begin_attempt(&token, now)?;
            }
            let event = Event::about(&token, Kind::Connected, Source::Flow, event_id, now);
            change.add_event(&event.because(target.reason()))?;
            if let Some(permission) = &permission {
                change.permit(permission, &token, &permitted)?;
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

/// Where a new grant is stored.
enum Target {
    /// In a row of its own, as the flow asked.
    New,
    /// In the row of this token: it is the same account's.
    InPlace(Box<Token>),
    /// In a row of its own, although the flow was to renew another token: the account
    /// is another one, or the provider does not name it. The text is the event's
    /// reason.
    Beside(&'static str),
}

impl Target {
    fn reason(&self) -> &'static str {
        match self {
            Self::New => "login",
            Self::InPlace(_) => "renewed",
            Self::Beside(reason) => reason,
        }
    }
}

/// Where the grant that a flow brought is stored. A token is renewed only by a grant
/// for the same account, as far as the provider says. A stored token with the same
/// refresh token has the same grant.
fn target(change: &Change<'_>, flow: &Flow, grant: &Grant) -> Result<Target, vault::Error> {
    let holder = match &grant.refresh_token {
        Some(refresh_token) => change.token_with_refresh_token(flow.owner, refresh_token)?,
        None => None,
    };
    let holder = holder
        .map(|stored| Box::new(stored.token))
        .filter(|token| token.provider == flow.provider && token.user_id == flow.user_id);
    let Purpose::Renew(token_id) = flow.purpose else {
        return Ok(holder.map_or(Target::New, Target::InPlace));
    };
    let Some(Stored { token: old, .. }) = change.token(flow.owner, token_id)? else {
        return Ok(Target::New);
    };
    if holder.is_some_and(|holder| holder.id == old.id) {
        return Ok(Target::InPlace(Box::new(old)));
    }
    Ok(match sameness(&old, &grant.account()) {
        Sameness::Same => Target::InPlace(Box::new(old)),
        Sameness::Different => Target::Beside("another_account"),
        Sameness::Unknown => Target::Beside("account_unknown"),
    })
}

/// The scopes of a renewed token that an agent's own flow permits to it: those that
/// the flow added, and none that other flows added before.
pub(super) fn permitted_in_place(flow: &Flow, old: &Token) -> Scopes {
    match flow.purpose {
        Purpose::Renew(_) => flow.requested.difference(&old.requested),
        Purpose::New | Purpose::Connect(_) => flow.requested.clone(),
    }
}

/// Whether a token becomes the default when a flow renews it. An agent's flow does
/// not change which of the user's own tokens is the default.
pub(super) fn takes_default(flow: &Flow, old: &Token) -> bool {
    flow.is_default && flow.agent_id == old.agent_id
}

/// A token with the new grant that a flow brought.
fn renewed_token(
    old: &Token,
    flow: &Flow,
    provider: &Provider,
    grant: &Grant,
    now: Timestamp,
) -> Token {
    let mut metadata = old.metadata.clone();
    metadata.extend(grant.metadata.clone());
    let requested = match flow.purpose {
        Purpose::Renew(_) => flow.requested.clone(),
        Purpose::New | Purpose::Connect(_) => flow.requested.union(&old.requested),
    };
    Token {
        requested,
        is_default: old.is_default || takes_default(flow, old),
        generation: old.generation + 1,
        created_at: old.created_at,
        used_at: old.used_at,
        agent_id: old.agent_id.clone(),
        account_id: grant.account_id.clone().or_else(|| old.account_id.clone()),
        account_label: grant
            .account_label
            .clone()
            .or_else(|| old.account_label.clone()),
        own_label: old.own_label.clone(),
        metadata,
        ..new_token(old.id, flow, provider, grant, now)
    }
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
        account_id: grant.account_id.clone(),
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

fn grant_secrets(grant: &Grant) -> Secrets<'_> {
    Secrets {
        access_token: &grant.access_token,
        refresh_token: grant.refresh_token.as_ref(),
    }
}
