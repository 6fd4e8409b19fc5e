//! Exchanging an authorization code for a grant, and storing it.

use super::Logins;
use super::ending::{Ended, Outcome};
use super::refusal::{UNAVAILABLE, refused_exchange};
use crate::broker::Error;
use crate::event::{Kind, Source};
use crate::flow::{Flow, FlowKind, FlowSecrets};
use crate::log_limit::log_limited;
use crate::oauth;
use crate::provider::Provider;
use crate::secret::AuthorizationCode;
use crate::token::Grant;
use crate::vault::{self, StoredFlow};

impl Logins {
    /// Exchanges the code of a claimed flow, and stores the result.
    pub(super) async fn exchange(
        &self,
        stored: StoredFlow,
        provider: Provider,
        code: AuthorizationCode,
    ) -> Result<Ended, Error> {
        let flow = &stored.flow;
        let FlowKind::AuthorizationCode { redirect_uri } = &flow.kind;
        let FlowSecrets::AuthorizationCode { verifier, .. } =
            self.context.vault.read(|view| view.flow_secrets(&stored))?;
        let exchanged = self
            .context
            .oauth
            .exchange(&provider, code, redirect_uri, verifier.as_ref())
            .await;
        let exchanged = exchanged.or_else(|failed| match failed.refresh_token {
            // The code is spent; the refresh token alone still makes a token.
            Some(token) => Ok(Grant::of_refresh_token(token, self.context.env.now())),
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

    /// Stores the grant that a flow brought, and ends the flow.
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
                self.revoker.revoke_orphan(event, &provider, &new).await;
                return Err(vault::Error::NotFound.into());
            }
            Err(error) => return Err(error.into()),
        };
        if new.access_token.is_missing() {
            self.refresher.begin_refresh(&token);
        }
        self.waiters.wake(flow.id);
        self.refresher.note_new_grant();
        log_limited!(20, info, provider.id = %provider.provider_id, token.id = %token.id, "a person connected an account");
        Ok(Ended {
            flow: flow.id,
            provider_name: provider.name,
            agent_id: flow.agent_id.clone(),
            outcome: Outcome::Connected(Box::new(token)),
        })
    }
}
