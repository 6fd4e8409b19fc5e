//! The authorization response, which completes the flow that its state names.

use tokio::task::JoinHandle;

use super::Logins;
use super::ending::Ended;
use super::exchange::Exchange;
use crate::broker::Error;
use crate::broker::commands::CompleteAuthorization;
use crate::flow::Status;
use crate::identity::FlowId;

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
        let complete = async move { Exchange::new(logins, stored)?.run(response).await };
        let task = self.context.tasks.spawn(complete);
        Ok(Completion { flow, task })
    }
}
