//! `authenticate`: a usable token, or the login that brings one.

use std::collections::HashMap;

use super::Tokens;
use super::decision::{Candidate, Decision, decide};
use crate::broker::Error;
use crate::broker::commands::Authenticate;
use crate::broker::logins::{AuthorizationRequired, NewFlow};
use crate::broker::refresher::{Demand, IssuedToken, Served};
use crate::flow::Purpose;
use crate::identity::{Owner, Scopes, TokenId, UserId};
use crate::provider::ProviderRef;
use crate::token::Token;
use crate::vault::{self, Group, Stored, View};

/// The answer to `authenticate`.
#[derive(Debug)]
pub enum Authenticated {
    /// A usable token.
    Completed(IssuedToken),
    /// A person must log in at `url`.
    Pending(AuthorizationRequired),
    /// A person must let the agent use an account, at `url`.
    ConnectionRequired(AuthorizationRequired),
    /// The token that was named can only be renewed by a person, at `url`.
    TokenExpired(AuthorizationRequired),
    /// No token, and the caller asked to start no login.
    NoToken(UserId),
}

/// A request with its user and its provider.
pub(super) struct ResolvedRequest<'a> {
    owner: Owner,
    user_id: UserId,
    provider: ProviderRef,
    request: &'a Authenticate,
}

impl Tokens {
    /// Returns a usable token, or begins the login that brings one.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown provider or token,
    /// [`Error::RedirectNotAllowed`], [`Error::ProviderUnavailable`] if the
    /// token has expired and cannot be refreshed now, [`Error::ClientRefused`] and
    /// [`Error::RefreshRefused`] if the provider refuses to refresh it.
    pub async fn authenticate(
        &self,
        owner: Owner,
        request: &Authenticate,
    ) -> Result<Authenticated, Error> {
        let provider =
            self.providers
                .wanted(owner, &request.provider_id, request.use_platform_provider)?;
        if let Some(redirect_uri) = &request.redirect_uri
            && !self
                .providers
                .referred(owner, &provider)?
                .allows_redirect(redirect_uri)
        {
            return Err(Error::RedirectNotAllowed);
        }
        let user_id = self.context.user(owner, request.user_id.as_ref());
        let resolved = ResolvedRequest {
            owner,
            user_id,
            provider,
            request,
        };
        match request.token_id {
            Some(token_id) => self.authenticate_with(&resolved, token_id).await,
            None if request.force_new && !request.check_only => {
                let flow = NewFlow {
                    is_shareable: false,
                    ..resolved.flow(Purpose::New, &request.scopes)
                };
                Ok(Authenticated::Pending(self.logins.begin(flow).await?))
            }
            None => self.authenticate_with_any(&resolved).await,
        }
    }

    /// Answers a request that names a token.
    async fn authenticate_with(
        &self,
        resolved: &ResolvedRequest<'_>,
        token_id: TokenId,
    ) -> Result<Authenticated, Error> {
        let read = |view: &View<'_>| {
            let Some(stored) = view.token(resolved.owner, token_id)? else {
                return Ok(None);
            };
            let agent = resolved.request.agent_id.as_ref();
            let is_permitted = view.may_use(agent, &stored.token)?;
            Ok(Some((stored, is_permitted)))
        };
        let found = self.context.vault.read(read)?;
        let found = found.filter(|(stored, _)| stored.token.provider == resolved.provider);
        let (stored, permitted) = found.ok_or_else(Error::no_token)?;
        if !permitted {
            return self
                .ask_for(resolved, Decision::Connect(Some(token_id)))
                .await;
        }
        let wanted = stored.token.requested.union(&resolved.request.scopes);
        if stored.token.is_usable(self.context.env.now())
            && let Served::Token(issued) = self.refresher.serve(stored, resolved.demand()).await?
        {
            return Ok(Authenticated::Completed(issued));
        }
        match self
            .ask_for(resolved, Decision::Renew(token_id, wanted))
            .await?
        {
            Authenticated::Pending(ask) => Ok(Authenticated::TokenExpired(ask)),
            other => Ok(other),
        }
    }

    /// Answers a request that names no token, with the best of those stored.
    async fn authenticate_with_any(
        &self,
        resolved: &ResolvedRequest<'_>,
    ) -> Result<Authenticated, Error> {
        // Tokens whose grant turned out to have ended.
        let mut ended = Vec::new();
        loop {
            let (decision, used) = match self.usable_default(resolved, &ended)? {
                Some(stored) => (Decision::Use(stored.token.id), Some(stored)),
                None => self.choose(resolved, &ended).await?,
            };
            let Some(stored) = used else {
                return self.ask_for(resolved, decision).await;
            };
            let (id, requested) = (stored.token.id, stored.token.requested.clone());
            match self.refresher.serve(stored, resolved.demand()).await? {
                Served::Token(issued) => return Ok(Authenticated::Completed(issued)),
                Served::Ended => ended.push(id),
                Served::Refused => {
                    let scopes = resolved.request.scopes.union(&requested);
                    return self.ask_for(resolved, Decision::Renew(id, scopes)).await;
                }
            }
        }
    }

    /// The default token, if it satisfies the request. It is preferred to all others,
    /// so that those need not be read.
    fn usable_default(
        &self,
        resolved: &ResolvedRequest<'_>,
        ended: &[TokenId],
    ) -> Result<Option<Stored>, Error> {
        let agent = resolved.request.agent_id.as_ref();
        let group = Group {
            owner: resolved.owner,
            provider: &resolved.provider,
            user_id: &resolved.user_id,
            agent_id: agent,
        };
        let now = self.context.env.now();
        let found = self.context.vault.read(|view| {
            let Some(stored) = view.default_token(group)? else {
                return Ok(None);
            };
            let permitted = match agent {
                None => Some(stored.token.requested.clone()),
                Some(agent) => view
                    .connection(resolved.owner, agent, stored.token.id)?
                    .map(|connection| connection.scopes),
            };
            let candidate = Candidate::new(&stored.token, permitted.as_ref(), ended);
            let decision = decide(&resolved.request.scopes, agent, vec![candidate], now);
            Ok(matches!(decision, Decision::Use(_)).then_some(stored))
        })?;
        Ok(found)
    }

    /// Decides by all stored tokens. Returns the token as well, if one is to be used.
    async fn choose(
        &self,
        resolved: &ResolvedRequest<'_>,
        ended: &[TokenId],
    ) -> Result<(Decision, Option<Stored>), Error> {
        let now = self.context.env.now();
        let agent = resolved.request.agent_id.as_ref();
        let choose = |view: &View<'_>| {
            let (candidates, mut stored) = candidates(view, resolved, ended)?;
            let decision = decide(&resolved.request.scopes, agent, candidates, now);
            let used = match decision {
                Decision::Use(id) => stored.iter().position(|stored| stored.token.id == id),
                _ => None,
            };
            Ok((decision, used.map(|index| stored.swap_remove(index))))
        };
        Ok(self.context.read_at_length(resolved.owner, choose).await?)
    }

    /// Begins the login that a decision asks for, unless the caller wants none.
    async fn ask_for(
        &self,
        resolved: &ResolvedRequest<'_>,
        decision: Decision,
    ) -> Result<Authenticated, Error> {
        if resolved.request.check_only {
            return Ok(Authenticated::NoToken(resolved.user_id.clone()));
        }
        let wanted = &resolved.request.scopes;
        let (flow, answer): (_, fn(_) -> _) = match decision {
            Decision::Use(_) | Decision::New => {
                let flow = resolved.flow(Purpose::New, wanted);
                (flow, Authenticated::Pending)
            }
            Decision::Renew(token_id, scopes) => {
                let flow = resolved.flow(Purpose::Renew(token_id), &scopes);
                (flow, Authenticated::Pending)
            }
            Decision::Connect(token_id) => {
                let flow = resolved.flow(Purpose::Connect(token_id), wanted);
                (flow, Authenticated::ConnectionRequired)
            }
        };
        self.logins.begin(flow).await.map(answer)
    }
}

impl<'a> ResolvedRequest<'a> {
    /// What the caller says of the token that it asks for.
    fn demand(&self) -> Demand {
        Demand {
            newer_than: self.request.newer_than,
            is_named: self.request.token_id.is_some(),
            try_now: self.request.try_now,
            check_only: self.request.check_only,
        }
    }

    fn flow(&'a self, purpose: Purpose, scopes: &Scopes) -> NewFlow<'a> {
        NewFlow {
            owner: self.owner,
            provider: &self.provider,
            user_id: &self.user_id,
            agent_id: self.request.agent_id.as_ref(),
            purpose,
            scopes: scopes.clone(),
            redirect_uri: self.request.redirect_uri.as_deref(),
            // Naming a token chooses it for this request, not for others.
            is_default: self.request.is_default && self.request.token_id.is_none(),
            is_shareable: true,
        }
    }
}

/// Every token that could be used, as a candidate and, in the same order, as stored.
fn candidates(
    view: &View<'_>,
    resolved: &ResolvedRequest<'_>,
    ended: &[TokenId],
) -> Result<(Vec<Candidate>, Vec<Stored>), vault::Error> {
    let (owner, user) = (resolved.owner, Some(&resolved.user_id));
    let all = view.tokens_of_provider(owner, &resolved.provider, user, None)?;
    let connections: Option<HashMap<_, _>> = match &resolved.request.agent_id {
        None => None,
        Some(agent) => {
            let connections = view.connections_of_agent(owner, agent)?.into_iter();
            Some(
                connections
                    .map(|found| (found.token_id, found.scopes))
                    .collect(),
            )
        }
    };
    let candidate = |token: &Token| {
        // The scopes that the request may use of a token; `None` for none of it.
        let permitted = match &connections {
            None => token.agent_id.is_none().then_some(&token.requested),
            Some(connections) => connections.get(&token.id),
        };
        Candidate::new(token, permitted, ended)
    };
    let candidates = all.iter().map(|stored| candidate(&stored.token)).collect();
    Ok((candidates, all))
}
