//! Whether a login that was to renew a token brought the same account: what is
//! known, the question if the provider does not say, and the person's answer.
//!
//! The question is asked on the login's final page and through the API. The first
//! answer counts: it is checked and stored in one change.

use uuid::Uuid;

use super::follow_ups::FollowUps;
use super::grants::{permitted_in_place, takes_default};
use crate::broker::accounts::sameness;
use crate::broker::{Error, Missing};
use crate::clock::Timestamp;
use crate::event::{Event, Kind, Source};
use crate::flow::{Flow, Purpose, Status};
use crate::identity::{FlowId, Owner, TokenId};
use crate::token::{Sameness, Token};
use crate::vault::{self, Change, Permission, Secrets, Stored, View};

/// What is known of the account that a login brought.
#[derive(Clone, Debug)]
pub struct RenewedAccount {
    /// Whether a person is asked if it is the account that was to be renewed.
    pub is_asked: bool,
    /// Whether it is, as the provider or a person said; `None` while that is not
    /// known, and for a login that was to renew nothing.
    pub is_same: Option<bool>,
    /// The token that was to be renewed, where the login is stored beside it.
    pub previous: Option<Token>,
    /// The token that holds what the login brought.
    pub current: Token,
}

/// A person's answer, and what storing it takes.
#[derive(Debug)]
pub(super) struct AccountAnswer {
    pub(super) is_same: bool,
    /// What the agent that asked for the login may do with a renewed token.
    pub(super) permission: Option<Permission>,
    pub(super) source: Source,
    pub(super) event_id: Uuid,
    pub(super) now: Timestamp,
}

/// The result of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnswerResult {
    /// It is stored.
    Stored,
    /// There is no question: it was answered before, or never asked.
    NotAsked,
    /// The refresh token that would be moved is being spent.
    RefreshUnderWay,
}

impl FollowUps<'_> {
    /// What is known of the account that one of the owner's logins brought.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the owner has no such login that ended with a token
    /// not long ago, or the token was deleted since.
    pub fn renewed_account(&self, owner: Owner, id: FlowId) -> Result<RenewedAccount, Error> {
        let flow = self.own_completed_flow(owner, id)?;
        let now = self.0.context.env.now();
        let found = self
            .0
            .context
            .vault
            .read(|view| match view.completed_flow(&flow, now)? {
                Some((flow, token)) => renewed_account(view, &flow, token).map(Some),
                None => Ok(None),
            })?;
        found.ok_or_else(no_login)
    }

    /// Stores the owner's answer to whether it is the account that was to be renewed.
    /// With `true` the grant moves to the token that was to be renewed, and the new
    /// token is deleted.
    ///
    /// # Errors
    /// [`Error::NotFound`] as for [`Self::renewed_account`], [`Error::NotAsked`] if
    /// there is no question (any more), [`Error::RefreshUnderWay`] if it can be
    /// answered in a moment.
    pub async fn answer_renewed_account(
        &self,
        owner: Owner,
        id: FlowId,
        is_same: bool,
    ) -> Result<RenewedAccount, Error> {
        let flow = self.own_completed_flow(owner, id)?;
        let answer = self.account_answer(&flow, is_same, Source::Api);
        let store = move |change: &Change<'_>| {
            let Some((flow, token)) = change.completed_flow(&flow, answer.now)? else {
                return Ok(None);
            };
            answer_account(change, &flow, &token, &answer).map(Some)
        };
        match self.0.context.vault.write(store).await? {
            None => return Err(no_login()),
            Some(AnswerResult::NotAsked) => return Err(Error::NotAsked),
            Some(AnswerResult::RefreshUnderWay) => return Err(Error::RefreshUnderWay),
            Some(AnswerResult::Stored) => {}
        }
        self.0.refresher.note_new_grant();
        self.renewed_account(owner, id)
    }

    /// An answer that is given now.
    pub(super) fn account_answer(
        &self,
        flow: &Flow,
        is_same: bool,
        source: Source,
    ) -> AccountAnswer {
        AccountAnswer {
            is_same,
            permission: self.0.context.permission_of_flow(flow, source, "allowed"),
            source,
            event_id: self.0.context.env.uuid(),
            now: self.0.context.env.now(),
        }
    }

    /// A flow of the owner's that ended with a token.
    fn own_completed_flow(&self, owner: Owner, id: FlowId) -> Result<Flow, Error> {
        let found = self.0.context.vault.read(|view| view.flow(owner, id))?;
        let flow = found.map(|stored| stored.flow);
        flow.filter(|flow| matches!(flow.status, Status::Completed(_)))
            .ok_or_else(no_login)
    }
}

fn no_login() -> Error {
    Missing::CompletedLogin.into()
}

/// What is known of the account of a completed flow and its token.
pub(super) fn renewed_account(
    view: &View<'_>,
    flow: &Flow,
    token: Token,
) -> Result<RenewedAccount, vault::Error> {
    let known = |is_same, previous| RenewedAccount {
        is_asked: false,
        is_same,
        previous,
        current: token.clone(),
    };
    let Purpose::Renew(renewed) = flow.purpose else {
        return Ok(known(None, None));
    };
    if renewed == token.id {
        return Ok(known(Some(true), None));
    }
    let Some(Stored { token: old, .. }) = view.token(flow.owner, renewed)? else {
        return Ok(known(None, None));
    };
    let is_other = flow.is_other_account || sameness(&old, &token.account()) == Sameness::Different;
    Ok(RenewedAccount {
        is_asked: !is_other,
        ..known(is_other.then_some(false), Some(old))
    })
}

/// Stores a person's answer to the question about a completed flow, if it is
/// asked.
pub(super) fn answer_account(
    change: &Change<'_>,
    flow: &Flow,
    token: &Token,
    answer: &AccountAnswer,
) -> Result<AnswerResult, vault::Error> {
    let found = renewed_account(change, flow, token.clone())?;
    let Some(old) = found.previous.filter(|_| found.is_asked) else {
        return Ok(AnswerResult::NotAsked);
    };
    if answer.is_same {
        merge_renewal(change, flow, &old, token.id, answer)
    } else {
        change.note_other_account(flow.owner, flow.id)?;
        Ok(AnswerResult::Stored)
    }
}

/// Moves the grant that a flow brought into the token that it was to renew,
/// and forgets the row that held it.
fn merge_renewal(
    change: &Change<'_>,
    flow: &Flow,
    old: &Token,
    token_id: TokenId,
    answer: &AccountAnswer,
) -> Result<AnswerResult, vault::Error> {
    let Some(new) = change.token(flow.owner, token_id)? else {
        return Ok(AnswerResult::NotAsked);
    };
    if change.is_in_doubt(&new.token)? {
        return Ok(AnswerResult::RefreshUnderWay);
    }
    let (access_token, refresh_token) = (change.access_token(&new)?, change.refresh_token(&new)?);
    let secrets = Secrets {
        access_token: &access_token,
        refresh_token: refresh_token.as_ref(),
    };
    let merged = merged(old, new.token.clone());
    change.remove_token(&new.token)?;
    change.replace_token(&merged, secrets)?;
    change.end_attempt(merged.owner, merged.id)?;
    if takes_default(flow, &merged) {
        change.set_default(&merged)?;
    }
    if let Some(permission) = &answer.permission {
        change.permit(permission, &merged, &permitted_in_place(flow, old))?;
    }
    change.move_flow(flow, merged.id)?;
    let (kind, source) = (Kind::Connected, answer.source);
    let event = Event::about(&merged, kind, source, answer.event_id, answer.now);
    change.add_event(&event.because("renewed"))?;
    Ok(AnswerResult::Stored)
}

/// The token that was to be renewed, with the grant of the new one.
fn merged(old: &Token, new: Token) -> Token {
    let mut metadata = old.metadata.clone();
    metadata.extend(new.metadata);
    Token {
        id: old.id,
        agent_id: old.agent_id.clone(),
        account_id: new.account_id.or_else(|| old.account_id.clone()),
        account_label: new.account_label.or_else(|| old.account_label.clone()),
        own_label: old.own_label.clone(),
        is_default: old.is_default,
        generation: old.generation + 1,
        metadata,
        created_at: old.created_at,
        used_at: new.used_at.max(old.used_at),
        ..new
    }
}
