//! Authorization flows: beginning them, waiting for them, and what a crash
//! left of them.

use std::time::Duration;

use url::Url;

use super::refresher::{self, IssuedToken};
use super::{Broker, Error};
use crate::clock::Timestamp;
use crate::event::Source;
use crate::flow::{Flow, FlowSecrets, Purpose, Status};
use crate::identity::{AgentId, FlowId, Owner, Scopes, UserId};
use crate::oauth::{AuthorizationRequest, authorization_url};
use crate::provider::{Pkce, Provider};
use crate::quota::New;
use crate::secret::{CodeVerifier, State};
use crate::vault::{Change, StoredFlow, View};

/// A flow that somebody asks for.
#[derive(Clone, Debug)]
pub(super) struct NewFlow<'a> {
    pub(super) owner: Owner,
    pub(super) user_id: &'a UserId,
    pub(super) agent_id: Option<&'a AgentId>,
    pub(super) purpose: Purpose,
    pub(super) scopes: Scopes,
    pub(super) redirect_uri: Option<&'a str>,
    pub(super) is_default: bool,
    pub(super) is_shareable: bool,
}

/// How long after a flow began a second caller may open a browser for it, in
/// seconds: long enough for a person to log in, short enough that a browser that
/// was closed does not block the login.
const SECOND_OPENING: i64 = 60;

/// How a flow stands for somebody who waits for it.
#[derive(Debug)]
pub enum Waited {
    /// It ended well.
    Completed(IssuedToken),
    /// It has not ended, and no waiting was asked for.
    Pending,
    /// It has not ended in the time that was given.
    TimedOut,
    /// There is no such flow of the caller's, or it is long over.
    NotFound,
    /// It ended without a token.
    Failed {
        /// The OAuth error code, or one of ours.
        error: String,
        /// For a person.
        description: Option<String>,
    },
}

impl Broker {
    /// Waits until a flow has ended; not at all for a `timeout` of zero.
    ///
    /// # Errors
    /// [`Error::TooManyWaiters`], [`Error::Stopping`]; those of
    /// [`Self::authenticate`] if the token of a completed flow must be
    /// refreshed first.
    pub async fn wait(
        &self,
        owner: Owner,
        auth_id: &str,
        timeout: Duration,
    ) -> Result<Waited, Error> {
        let Some(id) = FlowId::parse(auth_id) else {
            return Ok(Waited::NotFound);
        };
        let waiters = &self.0.waiters;
        let mut waiter = waiters.join(owner, id).ok_or(Error::TooManyWaiters)?;
        let deadline = tokio::time::Instant::now() + timeout;
        let mut stopping = self.0.stopping();
        let mut timed_out = timeout.is_zero();
        loop {
            let Some(flow) = self.0.vault.read(|view| view.flow(owner, id))? else {
                return Ok(Waited::NotFound);
            };
            if let Some(answer) = self.answer(&flow.flow).await? {
                return Ok(answer);
            }
            if timed_out {
                return Ok(if timeout.is_zero() {
                    Waited::Pending
                } else {
                    Waited::TimedOut
                });
            }
            let left = self.until_expiry(&flow.flow);
            tokio::select! {
                () = waiter.woken() => {}
                () = tokio::time::sleep_until(deadline) => timed_out = true,
                () = tokio::time::sleep(left) => {}
                _ = stopping.wait_for(|stopping| *stopping) => return Err(Error::Stopping),
            }
        }
    }

    /// What a waiter is told of a flow; `None` while it has not ended.
    async fn answer(&self, flow: &Flow) -> Result<Option<Waited>, Error> {
        let now = self.0.env.now();
        if flow.is_forgotten(now) {
            return Ok(Some(Waited::NotFound));
        }
        Ok(match flow.status_at(now) {
            Status::Pending | Status::Exchanging => None,
            Status::Failed { error, description } => Some(Waited::Failed { error, description }),
            Status::Completed(token_id) => {
                let read = |view: &View<'_>| {
                    let Some(stored) = view.token(flow.owner, token_id)? else {
                        return Ok(None);
                    };
                    let is_permitted = view.may_use(flow.agent_id.as_ref(), &stored.token)?;
                    Ok(Some((stored, is_permitted)))
                };
                match self.0.vault.read(read)? {
                    None => Some(Waited::NotFound),
                    Some((_, false)) => Some(not_permitted()),
                    Some((stored, true)) => Some(
                        self.0
                            .refresher
                            .issue(stored, refresher::Purpose::Asked)
                            .await?
                            .map_or(Waited::NotFound, Waited::Completed),
                    ),
                }
            }
        })
    }

    /// How long until a flow expires, looked at anew at least every half
    /// minute: timers stand still while a machine sleeps.
    fn until_expiry(&self, flow: &Flow) -> Duration {
        let millis = flow
            .expires_at
            .millis_since(self.0.env.now())
            .clamp(50, 30_000);
        Duration::from_millis(millis.unsigned_abs())
    }

    /// The pending flow that asks the same question, or a new one, and whether
    /// the caller is the one to open a browser for it. Looked for and made in
    /// one change, so that asking twice at once opens one flow.
    pub(super) async fn find_or_start_flow(
        &self,
        provider: &Provider,
        wanted: NewFlow<'_>,
    ) -> Result<(StoredFlow, bool), Error> {
        let now = self.0.env.now();
        let flow = Flow {
            id: FlowId::new(self.0.env.uuid()),
            owner: wanted.owner,
            provider: provider.reference(),
            binding: provider.binding(),
            user_id: wanted.user_id.clone(),
            agent_id: wanted.agent_id.cloned(),
            purpose: wanted.purpose,
            requested: wanted.scopes,
            redirect_uri: wanted
                .redirect_uri
                .map_or_else(|| self.0.default_redirect_uri(provider), str::to_owned),
            is_default: wanted.is_default,
            is_shareable: wanted.is_shareable,
            status: Status::Pending,
            created_at: now,
            expires_at: now.plus_seconds(self.0.settings.flow_lifetime),
            second_opening_at: None,
            is_other_account: false,
            finished_at: None,
        };
        if let Some(same) = self.0.vault.read(|view| find_same(view, &flow))?
            && !may_be_opened_again(&same.flow, now)
        {
            return Ok((same, false));
        }
        let secrets = FlowSecrets {
            state: State::new(self.0.env.token()),
            verifier: (provider.pkce != Pkce::Off).then(|| CodeVerifier::new(self.0.env.token())),
        };
        let room = self.0.room();
        let owner = flow.owner;
        let start = move |change: &Change<'_>| {
            if let Some(same) = find_same(change, &flow)? {
                let is_new = may_be_opened_again(&same.flow, now)
                    && change.open_flow_again(&same.flow, now)?;
                return Ok((same, is_new));
            }
            room.check(change, flow.owner, kind(&flow))?;
            change.insert_flow(&flow, &secrets)?;
            let stored = change.flow(flow.owner, flow.id)?;
            Ok((stored.ok_or(crate::vault::Error::NotFound)?, true))
        };
        Ok(self.0.vault.write_for(owner, start).await?)
    }

    /// Where the person goes: the same address whenever it is asked for.
    pub(super) fn flow_url(
        &self,
        provider: &Provider,
        stored: &StoredFlow,
    ) -> Result<String, Error> {
        let flow = &stored.flow;
        if let Purpose::Connect(_) = flow.purpose {
            return Ok(format!("{}/consent/{}", self.redirect_base(), flow.id));
        }
        let secrets = self.0.vault.read(|view| view.flow_secrets(stored))?;
        Ok(authorization_address(provider, flow, &secrets, false).into())
    }

    /// Ends every login whose exchange was cut off by the daemon's end: its code
    /// may have been spent, and must not be sent again.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub(super) async fn end_interrupted_flows(&self) -> Result<(), Error> {
        let why = "agent-authd was restarted while the provider was asked; start the login again";
        for StoredFlow { flow, .. } in self.0.vault.read(|view| view.exchanging_flows())? {
            self.deny(&flow, Source::Startup, "interrupted", Some(why.to_owned()))
                .await?;
        }
        Ok(())
    }
}

/// Where a flow sends a person to, at its provider; with `chooses_account` the
/// provider is to let them choose among their accounts.
pub(super) fn authorization_address(
    provider: &Provider,
    flow: &Flow,
    secrets: &FlowSecrets,
    chooses_account: bool,
) -> Url {
    authorization_url(&AuthorizationRequest {
        provider,
        redirect_uri: &flow.redirect_uri,
        scopes: &flow.requested,
        state: &secrets.state,
        verifier: secrets.verifier.as_ref(),
        chooses_account,
    })
}

/// The answer to a waiter whose agent may no longer use the flow's token as it
/// is: it was taken away, or widened by another flow.
fn not_permitted() -> Waited {
    let why = "the agent may not use this account with the permissions that it has now; \
               ask for the token again";
    Waited::Failed {
        error: "connection_required".to_owned(),
        description: Some(why.to_owned()),
    }
}

/// Whether no redirect has come for so long that one further caller may open a
/// browser.
fn may_be_opened_again(flow: &Flow, now: Timestamp) -> bool {
    flow.second_opening_at.is_none() && now >= flow.created_at.plus_seconds(SECOND_OPENING)
}

/// What a flow begins, by the quotas that it is held to.
fn kind(flow: &Flow) -> New {
    match flow.purpose {
        Purpose::Renew(_) => New::Renewal,
        Purpose::New | Purpose::Connect(_) => New::Login {
            for_agent: flow.agent_id.is_some(),
        },
    }
}

/// A pending flow that asks the same question as `flow`.
fn find_same(view: &View<'_>, flow: &Flow) -> Result<Option<StoredFlow>, crate::vault::Error> {
    if !flow.is_shareable {
        return Ok(None);
    }
    let same = |stored: &StoredFlow| {
        let other = &stored.flow;
        other.is_shareable
            && other.status_at(flow.created_at) == Status::Pending
            && other.binding == flow.binding
            && other.user_id == flow.user_id
            && other.agent_id == flow.agent_id
            && other.purpose == flow.purpose
            && other.requested == flow.requested
            && other.redirect_uri == flow.redirect_uri
    };
    Ok(view
        .pending_flows(flow.owner, &flow.provider)?
        .into_iter()
        .find(same))
}
