//! What a redirect brings back: a code to exchange, or a refusal.
//!
//! A state is used once: the flow it names is claimed before its code is sent,
//! so that a replayed redirect never exchanges twice.

use tokio::task::JoinHandle;

use super::{Broker, Error};
use crate::api::requests::CallbackQuery;
use crate::event::{Event, Kind, Source};
use crate::flow::{Flow, Purpose, Status};
use crate::identity::{AgentId, FlowId, Owner};
use crate::log_limit::log_limited;
use crate::oauth;
use crate::provider::Provider;
use crate::secret::AuthorizationCode;
use crate::token::{Grant, Token};
use crate::vault::{self, Change, StoredFlow};

/// An authorization response (RFC 6749, section 4.1.2), and who brought it.
#[derive(Debug)]
pub struct AuthorizationResponse {
    /// The provider's identifier in the address that it came to.
    pub provider_id: String,
    /// What it says.
    pub response: CallbackQuery,
    /// Who brought it, if that is known; the state of a browser that the kernel
    /// does not tell of is its only proof.
    pub owner: Option<Owner>,
}

/// How a flow that a redirect named has ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The flow.
    pub flow: FlowId,
    /// What people call its provider.
    pub provider_name: String,
    /// The agent that it was for.
    pub agent_id: Option<AgentId>,
    /// How.
    pub outcome: Outcome,
}

/// How a flow has ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// With a token.
    Connected(Box<Token>),
    /// The person or the provider said no.
    Refused {
        /// The OAuth error code, or one of ours.
        error: String,
        /// For a person.
        description: Option<String>,
    },
    /// The provider could not be reached for the exchange.
    Unavailable,
}

/// A flow that is being ended, in a task of its own.
#[derive(Debug)]
pub struct Finishing {
    /// The flow.
    pub flow: FlowId,
    task: JoinHandle<Result<Ended, Error>>,
}

impl Finishing {
    /// How it has ended. Dropping the future leaves the task to itself.
    ///
    /// # Errors
    /// Those of storing the end.
    pub async fn ended(self) -> Result<Ended, Error> {
        self.task.await.map_err(|_| Error::Stopping)?
    }
}

impl Broker {
    /// Ends the flow that an authorization response names.
    ///
    /// # Errors
    /// As [`Self::begin_finish`], and those of storing the end.
    pub async fn finish(&self, arrived: AuthorizationResponse) -> Result<Ended, Error> {
        self.begin_finish(arrived)?.ended().await
    }

    /// Begins to end the flow that an authorization response names. It goes on
    /// to its end even if nobody waits for it.
    ///
    /// # Errors
    /// [`Error::UnknownState`] if it names none, [`Error::AlreadyEnded`] if it
    /// names one that no longer waits, [`Error::Stopping`] if the next daemon is
    /// to do it; nothing has changed then.
    pub fn begin_finish(&self, arrived: AuthorizationResponse) -> Result<Finishing, Error> {
        let AuthorizationResponse {
            provider_id,
            response,
            owner,
        } = arrived;
        let state = response.state.as_ref().ok_or(Error::UnknownState)?;
        let found = self.0.vault.read(|view| view.flow_by_state(state))?;
        let stored = found
            .filter(|stored| owner.is_none_or(|owner| stored.flow.owner == owner))
            .filter(|stored| stored.flow.provider.provider_id.as_str() == provider_id)
            .ok_or(Error::UnknownState)?;
        let flow = stored.flow.id;
        match stored.flow.status_at(self.0.env.now()) {
            Status::Pending => {}
            Status::Exchanging => return Err(Error::UnknownState),
            Status::Completed(_) | Status::Failed { .. } => {
                return Err(Error::AlreadyEnded { flow });
            }
        }
        if self.0.is_stopping() {
            return Err(Error::Stopping);
        }
        // From the moment that the flow is claimed its code is spent, so all of
        // it runs in a task of its own.
        let broker = self.clone();
        let finish = async move { broker.finish_flow(stored, response).await };
        let task = self.0.tasks.spawn(finish);
        Ok(Finishing { flow, task })
    }

    /// Refuses what came back, or claims the flow and exchanges its code.
    async fn finish_flow(
        &self,
        stored: StoredFlow,
        response: CallbackQuery,
    ) -> Result<Ended, Error> {
        let flow = &stored.flow;
        let provider = self.provider_of(flow.owner, &flow.provider)?;
        if let Some((error, description)) = refusal(&provider, flow, &response) {
            return self.refuse(flow, provider.name, &error, description).await;
        }
        let Some(code) = response.code else {
            let why = "the provider sent neither a code nor an error".to_owned();
            let error = INVALID_RESPONSE;
            return self.refuse(flow, provider.name, error, Some(why)).await;
        };
        // The code is not sent unless its answer can be stored: the redirect can
        // come again then.
        let _room = self.room_of_login(flow).await?;
        let (owner, id) = (flow.owner, flow.id);
        let claim = move |change: &Change<'_>| change.claim_flow(owner, id);
        if !self.0.vault.write_for(owner, claim).await? {
            return Err(Error::UnknownState);
        }
        self.exchange(stored, provider, code).await
    }

    /// Keeps room for the token that a flow's exchange brings, which may take
    /// the place of the one that the flow renews.
    async fn room_of_login(&self, flow: &Flow) -> Result<vault::Room, Error> {
        let vault = &self.0.vault;
        let renewed = match flow.purpose {
            Purpose::Renew(token_id) => vault.read(|view| view.token(flow.owner, token_id))?,
            Purpose::New | Purpose::Connect(_) => None,
        };
        Ok(vault.room_for_answer(renewed.as_ref()).await?)
    }

    /// What people call the provider of a flow whose code is being exchanged;
    /// `None` for any other flow.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub fn exchanging(&self, flow_id: &str) -> Result<Option<String>, Error> {
        let Some(id) = FlowId::parse(flow_id) else {
            return Ok(None);
        };
        let found = self.0.vault.read(|view| view.flow_by_id(id))?;
        let exchanging = found.filter(|stored| stored.flow.status == Status::Exchanging);
        exchanging
            .map(|StoredFlow { flow, .. }| {
                let provider = self.provider_of(flow.owner, &flow.provider)?;
                Ok(provider.name)
            })
            .transpose()
    }

    /// Whether a flow is an owner's; not if it is unknown, or cannot be read.
    #[must_use]
    pub fn is_flow_of(&self, owner: Owner, flow_id: &str) -> bool {
        let Some(id) = FlowId::parse(flow_id) else {
            return false;
        };
        let found = self.0.vault.read(|view| view.flow(owner, id));
        found.is_ok_and(|flow| flow.is_some())
    }

    /// How a flow has ended, for the page that the browser is sent to;
    /// `None` if it has not, or is unknown or long over.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub fn ended(&self, flow_id: &str) -> Result<Option<Ended>, Error> {
        let Some(id) = FlowId::parse(flow_id) else {
            return Ok(None);
        };
        let Some(stored) = self.0.vault.read(|view| view.flow_by_id(id))? else {
            return Ok(None);
        };
        let flow = stored.flow;
        let now = self.0.env.now();
        let outcome = match flow.status_at(now) {
            _ if flow.is_forgotten(now) => return Ok(None),
            Status::Pending | Status::Exchanging => return Ok(None),
            Status::Failed { error, .. } if error == UNAVAILABLE => Outcome::Unavailable,
            Status::Failed { error, description } => Outcome::Refused { error, description },
            Status::Completed(token_id) => {
                match self.0.vault.read(|view| view.token(flow.owner, token_id))? {
                    Some(stored) => Outcome::Connected(Box::new(stored.token)),
                    None => return Ok(None),
                }
            }
        };
        let provider = self.provider_of(flow.owner, &flow.provider)?;
        Ok(Some(Ended {
            flow: id,
            provider_name: provider.name,
            agent_id: flow.agent_id,
            outcome,
        }))
    }

    async fn exchange(
        &self,
        stored: StoredFlow,
        provider: Provider,
        code: AuthorizationCode,
    ) -> Result<Ended, Error> {
        let flow = &stored.flow;
        let secrets = self.0.vault.read(|view| view.flow_secrets(&stored))?;
        let exchanged = self
            .0
            .oauth
            .exchange(
                &provider,
                code,
                &flow.redirect_uri,
                secrets.verifier.as_ref(),
            )
            .await;
        let exchanged = exchanged.or_else(|failed| match failed.refresh_token {
            // The code is spent, and this is all that is left of the login.
            Some(token) => Ok(Grant::of_refresh_token(token, self.0.env.now())),
            None => Err(failed.error),
        });
        match exchanged {
            Ok(grant) => self.complete_login(flow, provider, grant).await,
            Err(
                error @ (oauth::Error::Unreachable
                | oauth::Error::Unavailable { .. }
                | oauth::Error::OutcomeUnknown { .. }),
            ) => {
                let description = match error {
                    oauth::Error::OutcomeUnknown { .. } => error.to_string(),
                    _ => "the provider could not be reached to finish the login".to_owned(),
                };
                let ended = self
                    .refuse(flow, provider.name, UNAVAILABLE, Some(description))
                    .await?;
                Ok(Ended {
                    outcome: Outcome::Unavailable,
                    ..ended
                })
            }
            Err(error) => {
                let (code, description) = refused_exchange(error);
                self.refuse(flow, provider.name, &code, description).await
            }
        }
    }

    /// Stores the grant that a flow has brought.
    async fn complete_login(
        &self,
        flow: &Flow,
        provider: Provider,
        grant: Grant,
    ) -> Result<Ended, Error> {
        let new = grant.clone();
        let saved = self.store_grant(flow.clone(), provider.clone(), grant);
        let token = match saved.await {
            Ok(token) => token,
            Err(vault::Error::NotFound) => {
                let event = self.flow_event(flow, Kind::Deleted, Source::Flow);
                let event = event.because("arrived after its login was deleted");
                self.0.revoker.revoke_orphan(event, &provider, &new).await;
                return Err(vault::Error::NotFound.into());
            }
            Err(error) => return Err(error.into()),
        };
        if new.access_token.is_missing() {
            self.0.refresher.begin_refresh(&token);
        }
        self.0.waiters.wake(flow.id);
        self.0.refresher.note_new_grant();
        log_limited!(20, info, provider.id = %provider.provider_id, token.id = %token.id, "a person connected an account");
        Ok(Ended {
            flow: flow.id,
            provider_name: provider.name,
            agent_id: flow.agent_id.clone(),
            outcome: Outcome::Connected(Box::new(token)),
        })
    }

    /// Ends a flow without a token, and says so to whoever waits.
    async fn refuse(
        &self,
        flow: &Flow,
        provider_name: String,
        error: &str,
        description: Option<String>,
    ) -> Result<Ended, Error> {
        self.deny(flow, Source::Flow, error, description.clone())
            .await?;
        Ok(Ended {
            flow: flow.id,
            provider_name,
            agent_id: flow.agent_id.clone(),
            outcome: Outcome::Refused {
                error: error.to_owned(),
                description,
            },
        })
    }

    /// Ends a flow without a token, wherever that was decided.
    pub(super) async fn deny(
        &self,
        flow: &Flow,
        source: Source,
        error: &str,
        description: Option<String>,
    ) -> Result<(), Error> {
        let event = self.flow_event(flow, Kind::Denied, source).because(error);
        let now = event.created_at;
        let (ended, code, text) = (flow.clone(), error.to_owned(), description);
        let failed = move |change: &Change<'_>| {
            let is_first = change.fail_flow(&ended, &code, text.as_deref(), now)?;
            if is_first {
                change.add_event(&event)
            } else {
                Ok(())
            }
        };
        self.0.vault.write(failed).await?;
        self.0.waiters.wake(flow.id);
        log_limited!(20, info, provider.id = %flow.provider.provider_id, error, "a login ended without a token");
        Ok(())
    }

    /// An event about a flow that has no token.
    fn flow_event(&self, flow: &Flow, kind: Kind, source: Source) -> Event {
        Event {
            id: self.0.env.uuid(),
            owner: flow.owner,
            provider_id: flow.provider.provider_id.clone(),
            agent_id: flow.agent_id.clone(),
            token_id: None,
            kind,
            reason: None,
            source,
            account_label: None,
            scopes: flow.requested.clone(),
            detail: serde_json::Map::new(),
            acknowledged_at: None,
            created_at: self.0.env.now(),
        }
    }
}

/// The error code of a flow whose provider could not be reached.
const UNAVAILABLE: &str = "temporarily_unavailable";

/// The error code of a flow whose provider sent neither a code nor an error
/// that can be shown.
const INVALID_RESPONSE: &str = "invalid_response";

/// The error codes that are the daemon's own, and whose descriptions are in its
/// words. No provider's error is stored under one of them.
const OWN_ERRORS: [&str; 4] = [
    "interrupted",
    "invalid_issuer",
    INVALID_RESPONSE,
    "provider_changed",
];

/// Whether a flow ended with this code by the daemon's own decision, and not by
/// the provider's or the person's.
#[must_use]
pub fn is_own_error(error: &str) -> bool {
    OWN_ERRORS.contains(&error)
}

/// A provider's error code as it is stored: one of the daemon's own would make
/// the provider's description look like the daemon's.
fn providers_error(code: String) -> String {
    if is_own_error(&code) {
        "server_error".to_owned()
    } else {
        code
    }
}

/// Why a response is refused before its code is looked at.
pub(crate) fn refusal(
    provider: &Provider,
    flow: &Flow,
    response: &CallbackQuery,
) -> Option<(String, Option<String>)> {
    // RFC 9207, section 2.4, for errors too: a response of another server
    // must not even end a flow in that server's words.
    if let Some(issuer) = &provider.endpoints.issuer {
        let mixed_up = match &response.iss {
            Some(iss) => iss != issuer,
            None => provider.endpoints.sends_iss,
        };
        if mixed_up {
            let why = "the answer does not come from the provider that was asked";
            return Some(("invalid_issuer".to_owned(), Some(why.to_owned())));
        }
    }
    if let Some(error) = &response.error {
        let clean = |text: &String| Some(oauth::shown_text(text)).filter(|text| !text.is_empty());
        let description = response.error_description.as_ref().and_then(clean);
        let error = clean(error).map_or_else(|| "server_error".to_owned(), providers_error);
        return Some((error, description));
    }
    if flow.binding != provider.binding() {
        let why = "the provider was changed after this login began; start it again";
        return Some(("provider_changed".to_owned(), Some(why.to_owned())));
    }
    None
}

/// A refused exchange as an error code and a sentence.
fn refused_exchange(error: oauth::Error) -> (String, Option<String>) {
    match error {
        oauth::Error::InvalidGrant { description } => ("invalid_grant".to_owned(), description),
        oauth::Error::ClientRejected { code, description }
        | oauth::Error::Refused { code, description } => (providers_error(code), description),
        other => (INVALID_RESPONSE.to_owned(), Some(other.to_string())),
    }
}
