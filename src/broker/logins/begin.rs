//! Beginning a login: a pending flow that asks for the same, or a new one, and the
//! address that the person is sent to.

use std::time::Duration;

use url::Url;

use super::Logins;
use crate::broker::Error;
use crate::clock::Timestamp;
use crate::flow::{Flow, FlowKind, FlowSecrets, Purpose, Status};
use crate::identity::{AgentId, FlowId, Owner, Scopes, UserId};
use crate::oauth::{AuthorizationRequest, authorization_url};
use crate::provider::{Pkce, Provider, ProviderRef};
use crate::quota::New;
use crate::secret::{CodeVerifier, State};
use crate::vault::{Change, StoredFlow, View};

/// The login that a caller needs.
#[derive(Clone, Debug)]
pub(in crate::broker) struct NewFlow<'a> {
    pub(in crate::broker) owner: Owner,
    pub(in crate::broker) provider: &'a ProviderRef,
    pub(in crate::broker) user_id: &'a UserId,
    pub(in crate::broker) agent_id: Option<&'a AgentId>,
    pub(in crate::broker) purpose: Purpose,
    pub(in crate::broker) scopes: Scopes,
    pub(in crate::broker) redirect_uri: Option<&'a str>,
    pub(in crate::broker) is_default: bool,
    pub(in crate::broker) is_shareable: bool,
}

/// How long after a flow began a second caller may open a browser for it: long
/// enough to log in, short enough that a closed browser does not block the login.
const SECOND_OPENING: Duration = Duration::from_secs(60);

/// What a person has to do before there is a token.
#[derive(Clone, Debug)]
pub struct AuthorizationRequired {
    /// Where they do it.
    pub url: String,
    /// The flow that waits for it.
    pub flow: FlowId,
    /// The user whom the login is for.
    pub user_id: UserId,
    /// Whether this caller is to open a browser: its request made the flow, or no
    /// redirect has come for so long that another caller may.
    pub is_new: bool,
}

impl Logins {
    /// Begins a login, or joins the pending one that asks for the same.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the provider is gone, [`Error::Vault`] if the owner's
    /// quota is used up or the store cannot take it.
    pub(in crate::broker) async fn begin(
        &self,
        wanted: NewFlow<'_>,
    ) -> Result<AuthorizationRequired, Error> {
        let provider = self.providers.referred(wanted.owner, wanted.provider)?;
        let (stored, is_new) = self.find_or_start_flow(&provider, wanted).await?;
        let url = self.flow_url(&provider, &stored)?;
        let Flow { id, user_id, .. } = stored.flow;
        Ok(AuthorizationRequired {
            url,
            flow: id,
            user_id,
            is_new,
        })
    }

    /// The pending flow that asks for the same, or a new one, and whether this
    /// caller is to open a browser for it. One change looks for it and makes it, so
    /// that two requests at once make one flow.
    async fn find_or_start_flow(
        &self,
        provider: &Provider,
        wanted: NewFlow<'_>,
    ) -> Result<(StoredFlow, bool), Error> {
        let now = self.context.env.now();
        let flow = Flow {
            id: FlowId::new(self.context.env.uuid()),
            owner: wanted.owner,
            provider: provider.reference(),
            binding: provider.binding(),
            user_id: wanted.user_id.clone(),
            agent_id: wanted.agent_id.cloned(),
            kind: FlowKind::AuthorizationCode {
                redirect_uri: wanted.redirect_uri.map_or_else(
                    || self.context.default_redirect_uri(provider),
                    str::to_owned,
                ),
            },
            purpose: wanted.purpose,
            requested: wanted.scopes,
            is_default: wanted.is_default,
            is_shareable: wanted.is_shareable,
            status: Status::Pending,
            created_at: now,
            expires_at: now.plus(self.context.settings.flow_lifetime),
            second_opening_at: None,
            is_other_account: false,
            finished_at: None,
        };
        if let Some(same) = self.context.vault.read(|view| find_same(view, &flow))?
            && !may_be_opened_again(&same.flow, now)
        {
            return Ok((same, false));
        }
        let secrets = FlowSecrets::AuthorizationCode {
            state: State::new(self.context.env.token()),
            verifier: (provider.pkce != Pkce::Off)
                .then(|| CodeVerifier::new(self.context.env.token())),
        };
        let room = self.context.room();
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
        Ok(self.context.vault.write_for(owner, start).await?)
    }

    /// Where the person goes. The same flow always gives the same address.
    pub(super) fn flow_url(
        &self,
        provider: &Provider,
        stored: &StoredFlow,
    ) -> Result<String, Error> {
        let flow = &stored.flow;
        if let Purpose::Connect(_) = flow.purpose {
            return Ok(format!(
                "{}/consent/{}",
                self.context.settings.redirect_base, flow.id
            ));
        }
        let secrets = self.context.vault.read(|view| view.flow_secrets(stored))?;
        Ok(authorization_address(provider, flow, &secrets, false).into())
    }
}

/// The address at the provider that a flow sends a person to. With
/// `chooses_account` the provider is asked to let them choose among their accounts.
pub(super) fn authorization_address(
    provider: &Provider,
    flow: &Flow,
    secrets: &FlowSecrets,
    chooses_account: bool,
) -> Url {
    let FlowKind::AuthorizationCode { redirect_uri } = &flow.kind;
    let FlowSecrets::AuthorizationCode { state, verifier } = secrets;
    authorization_url(&AuthorizationRequest {
        provider,
        redirect_uri,
        scopes: &flow.requested,
        state,
        verifier: verifier.as_ref(),
        chooses_account,
    })
}

/// Whether no redirect has come for so long that one more caller may open a
/// browser.
fn may_be_opened_again(flow: &Flow, now: Timestamp) -> bool {
    flow.second_opening_at.is_none() && now >= flow.created_at.plus(SECOND_OPENING)
}

/// What a flow counts as for the quotas.
fn kind(flow: &Flow) -> New {
    match flow.purpose {
        Purpose::Renew(_) => New::Renewal,
        Purpose::New | Purpose::Connect(_) => New::Login {
            for_agent: flow.agent_id.is_some(),
        },
    }
}

/// A pending flow that asks for the same as `flow`.
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
            && other.kind == flow.kind
    };
    Ok(view
        .pending_flows(flow.owner, &flow.provider)?
        .into_iter()
        .find(same))
}
