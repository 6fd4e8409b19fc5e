//! Completing one flow by its authorization response: a code is exchanged for a
//! grant, which is stored, or the flow is refused.
//!
//! A state is used once: the flow it names is claimed before its code is sent, so
//! that a replayed redirect never exchanges twice.

use super::Logins;
use super::ending::{Ended, Outcome};
use super::grants::store_grant;
use super::refusal::{INVALID_RESPONSE, UNAVAILABLE, refusal, refused_exchange};
use crate::broker::Error;
use crate::broker::commands::AuthorizationResponse;
use crate::event::{Kind, Source};
use crate::flow::{FlowKind, FlowSecrets, Purpose};
use crate::log_limit::log_limited;
use crate::oauth;
use crate::provider::Provider;
use crate::secret::AuthorizationCode;
use crate::token::Grant;
use crate::vault::{self, Change, StoredFlow};

/// The completion of one flow.
pub(super) struct Exchange {
    logins: Logins,
    stored: StoredFlow,
    provider: Provider,
}

impl Exchange {
    /// The completion of `stored`, at its provider as it is now.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the provider is gone.
    pub(super) fn new(logins: Logins, stored: StoredFlow) -> Result<Self, Error> {
        let flow = &stored.flow;
        let provider = logins.providers.referred(flow.owner, &flow.provider)?;
        Ok(Self {
            logins,
            stored,
            provider,
        })
    }

    /// Refuses the response, or claims the flow and exchanges its code.
    pub(super) async fn run(self, response: AuthorizationResponse) -> Result<Ended, Error> {
        let flow = &self.stored.flow;
        if let Some((error, description)) = refusal(&self.provider, flow, &response) {
            return self.refuse(&error, description).await;
        }
        let Some(code) = response.code else {
            let why = "the provider sent neither a code nor an error".to_owned();
            return self.refuse(INVALID_RESPONSE, Some(why)).await;
        };
        // The code is sent only if the answer can be stored. If not, the redirect
        // can be repeated later.
        let _space = self.reserve_space().await?;
        let (owner, id) = (flow.owner, flow.id);
        let claim = move |change: &Change<'_>| change.claim_flow(owner, id);
        let vault = &self.logins.context.vault;
        if !vault.write_for(owner, claim).await? {
            return Err(Error::UnknownState);
        }
        self.exchange(code).await
    }

    /// Reserves disk space for the token that the exchange brings. It may replace the one
    /// that the flow renews.
    async fn reserve_space(&self) -> Result<vault::SpaceReservation, Error> {
        let (vault, flow) = (&self.logins.context.vault, &self.stored.flow);
        let renewed = match flow.purpose {
            Purpose::Renew(token_id) => vault.read(|view| view.token(flow.owner, token_id))?,
            Purpose::New | Purpose::Connect(_) => None,
        };
        Ok(vault.reserve_space(renewed.as_ref()).await?)
    }

    /// Exchanges the code of the claimed flow, and stores the result.
    async fn exchange(&self, code: AuthorizationCode) -> Result<Ended, Error> {
        let context = &self.logins.context;
        let FlowKind::AuthorizationCode { redirect_uri } = &self.stored.flow.kind;
        let FlowSecrets::AuthorizationCode { verifier, .. } =
            context.vault.read(|view| view.flow_secrets(&self.stored))?;
        let exchanged = context
            .oauth
            .exchange(&self.provider, code, redirect_uri, verifier.as_ref())
            .await;
        let exchanged = exchanged.or_else(|failed| match failed.refresh_token {
            // The code is spent; the refresh token alone still makes a token.
            Some(token) => Ok(Grant::of_refresh_token(token, context.env.now())),
            None => Err(failed.error),
        });
        match exchanged {
            Ok(grant) => self.store(grant).await,
            Err(
                error @ (oauth::Error::Unreachable
                | oauth::Error::Unavailable { .. }
                | oauth::Error::OutcomeUnknown { .. }),
            ) => {
                let description = match error {
                    oauth::Error::OutcomeUnknown { .. } => error.to_string(),
                    _ => "the provider could not be reached to finish the login".to_owned(),
                };
                let ended = self.refuse(UNAVAILABLE, Some(description)).await?;
                Ok(Ended {
                    outcome: Outcome::Unavailable,
                    ..ended
                })
            }
            Err(error) => {
                let (code, description) = refused_exchange(error);
                self.refuse(&code, description).await
            }
        }
    }

    /// Stores the grant that the flow brought, and ends the flow.
    async fn store(&self, grant: Grant) -> Result<Ended, Error> {
        let (logins, flow, provider) = (&self.logins, &self.stored.flow, &self.provider);
        let new = grant.clone();
        let saved = store_grant(&logins.context, flow.clone(), provider.clone(), grant);
        let token = match saved.await {
            Ok(token) => token,
            Err(vault::Error::NotFound) => {
                let event = logins.flow_event(flow, Kind::Deleted, Source::Flow);
                let event = event.because("arrived after its login was deleted");
                logins.revoker.revoke_orphan(event, provider, &new).await;
                return Err(vault::Error::NotFound.into());
            }
            Err(error) => return Err(error.into()),
        };
        if new.access_token.is_missing() {
            logins.refresher.begin_refresh(&token);
        }
        logins.waiters.wake(flow.id);
        logins.refresher.note_new_grant();
        log_limited!(20, info, provider.id = %provider.provider_id, token.id = %token.id, "a person connected an account");
        Ok(self.ended(Outcome::Connected(Box::new(token))))
    }

    /// Ends the flow without a token.
    async fn refuse(&self, error: &str, description: Option<String>) -> Result<Ended, Error> {
        let (flow, described) = (&self.stored.flow, description.clone());
        self.logins
            .deny(flow, Source::Flow, error, described)
            .await?;
        Ok(self.ended(Outcome::Refused {
            error: error.to_owned(),
            description,
        }))
    }

    fn ended(&self, outcome: Outcome) -> Ended {
        Ended {
            flow: self.stored.flow.id,
            provider_name: self.provider.name.clone(),
            agent_id: self.stored.flow.agent_id.clone(),
            outcome,
        }
    }
}
