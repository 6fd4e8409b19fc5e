//! The authorization response: a code to exchange, or a refusal.
//!
//! A state is used once: the flow it names is claimed before its code is sent, so
//! that a replayed redirect never exchanges twice.

use tokio::task::JoinHandle;

use super::Logins;
use super::ending::Ended;
use super::refusal::{INVALID_RESPONSE, refusal};
use crate::broker::Error;
use crate::broker::commands::{AuthorizationResponse, CompleteAuthorization};
use crate::flow::{Flow, Purpose, Status};
use crate::identity::FlowId;
use crate::vault::{self, Change, StoredFlow};

/// An authorization that is being completed, in a task of its own.
#[derive(Debug)]
pub struct Completion {
    /// The flow.
    pub flow: FlowId,
    task: JoinHandle<Result<Ended, Error>>,
}

impl Completion {
    /// How the flow has ended. The task goes on if this future is dropped.
    ///
    /// # Errors
    /// Those of storing the end.
    pub async fn ended(self) -> Result<Ended, Error> {
        self.task.await.map_err(|_| Error::Stopping)?
    }
}

impl Logins {
    /// Completes the flow that an authorization response names.
    ///
    /// # Errors
    /// As [`Self::begin_completion`], and those of storing the end.
    pub async fn complete_authorization(
        &self,
        command: CompleteAuthorization,
    ) -> Result<Ended, Error> {
        self.begin_completion(command)?.ended().await
    }

    /// Begins to complete the flow that an authorization response names. That goes
    /// on even if the result is not waited for.
    ///
    /// # Errors
    /// [`Error::UnknownState`] if it names no flow, [`Error::AlreadyEnded`] if that
    /// flow has ended, [`Error::Stopping`] while the daemon stops. Nothing has
    /// changed then.
    pub fn begin_completion(&self, command: CompleteAuthorization) -> Result<Completion, Error> {
        let CompleteAuthorization {
            provider_id,
            response,
            owner,
        } = command;
        let state = response.state.as_ref().ok_or(Error::UnknownState)?;
        let found = self.context.vault.read(|view| view.flow_by_state(state))?;
        let stored = found
            .filter(|stored| owner.is_none_or(|owner| stored.flow.owner == owner))
            .filter(|stored| stored.flow.provider.provider_id == provider_id)
            .ok_or(Error::UnknownState)?;
        let flow = stored.flow.id;
        match stored.flow.status_at(self.context.env.now()) {
            Status::Pending => {}
            Status::Exchanging => return Err(Error::UnknownState),
            Status::Completed(_) | Status::Failed { .. } => {
                return Err(Error::AlreadyEnded { flow });
            }
        }
        if self.context.is_stopping() {
            return Err(Error::Stopping);
        }
        // Once the flow is claimed its code is spent, so this runs in a task of its
        // own, which no disconnect cancels.
        let logins = self.clone();
        let complete = async move { logins.complete_flow(stored, response).await };
        let task = self.context.tasks.spawn(complete);
        Ok(Completion { flow, task })
    }

    /// Refuses the response, or claims the flow and exchanges its code.
    async fn complete_flow(
        &self,
        stored: StoredFlow,
        response: AuthorizationResponse,
    ) -> Result<Ended, Error> {
        let flow = &stored.flow;
        let provider = self.providers.referred(flow.owner, &flow.provider)?;
        if let Some((error, description)) = refusal(&provider, flow, &response) {
            return self.refuse(flow, provider.name, &error, description).await;
        }
        let Some(code) = response.code else {
            let why = "the provider sent neither a code nor an error".to_owned();
            let error = INVALID_RESPONSE;
            return self.refuse(flow, provider.name, error, Some(why)).await;
        };
        // The code is sent only if the answer can be stored. If not, the redirect
        // can be repeated later.
        let _room = self.reserve_space_of_login(flow).await?;
        let (owner, id) = (flow.owner, flow.id);
        let claim = move |change: &Change<'_>| change.claim_flow(owner, id);
        if !self.context.vault.write_for(owner, claim).await? {
            return Err(Error::UnknownState);
        }
        self.exchange(stored, provider, code).await
    }

    /// Reserves room for the token that the exchange brings. It may replace the one
    /// that the flow renews.
    async fn reserve_space_of_login(&self, flow: &Flow) -> Result<vault::SpaceReservation, Error> {
        let vault = &self.context.vault;
        let renewed = match flow.purpose {
            Purpose::Renew(token_id) => vault.read(|view| view.token(flow.owner, token_id))?,
            Purpose::New | Purpose::Connect(_) => None,
        };
        Ok(vault.reserve_space(renewed.as_ref()).await?)
    }
}
