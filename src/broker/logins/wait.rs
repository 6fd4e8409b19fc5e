//! Waiting for the end of a flow.

use std::time::Duration;

use super::Logins;
use crate::broker::Error;
use crate::broker::refresher::{self, IssuedToken};
use crate::flow::{Flow, Status};
use crate::identity::{FlowId, Owner};
use crate::vault::View;

/// The answer to a call that waits for a flow.
#[derive(Debug)]
pub enum Waited {
    /// It ended with a token.
    Completed(IssuedToken),
    /// It has not ended, and the caller asked not to wait.
    Pending,
    /// It has not ended within the caller's timeout.
    TimedOut,
    /// The caller has no such flow, or it ended too long ago.
    NotFound,
    /// It ended without a token.
    Failed {
        /// The OAuth error code, or one of ours.
        error: String,
        /// For a person.
        description: Option<String>,
    },
}

impl Logins {
    /// Waits until a flow has ended; not at all for a `timeout` of zero.
    ///
    /// # Errors
    /// [`Error::TooManyWaiters`], [`Error::Stopping`]; those of a refresh if the
    /// token of a completed flow has expired.
    pub async fn wait(&self, owner: Owner, id: FlowId, timeout: Duration) -> Result<Waited, Error> {
        let waiters = &self.waiters;
        let mut waiter = waiters.join(owner, id).ok_or(Error::TooManyWaiters)?;
        let deadline = tokio::time::Instant::now() + timeout;
        let mut stopping = self.context.stopping();
        let mut timed_out = timeout.is_zero();
        loop {
            let Some(flow) = self.context.vault.read(|view| view.flow(owner, id))? else {
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

    /// The answer to a call that waits for a flow; `None` while it has not ended.
    async fn answer(&self, flow: &Flow) -> Result<Option<Waited>, Error> {
        let now = self.context.env.now();
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
                match self.context.vault.read(read)? {
                    None => Some(Waited::NotFound),
                    Some((_, false)) => Some(not_permitted()),
                    Some((stored, true)) => Some(
                        self.refresher
                            .issue(stored, refresher::Purpose::Asked)
                            .await?
                            .map_or(Waited::NotFound, Waited::Completed),
                    ),
                }
            }
        })
    }

    /// How long until a flow expires, at most half a minute: timers stand still
    /// while a machine sleeps.
    fn until_expiry(&self, flow: &Flow) -> Duration {
        let millis = flow
            .expires_at
            .millis_since(self.context.env.now())
            .clamp(50, 30_000);
        Duration::from_millis(millis.unsigned_abs())
    }
}

/// The answer for an agent that may no longer use the flow's token as it is: the
/// permission was taken away, or another flow widened the token.
fn not_permitted() -> Waited {
    let why = "the agent may not use this account with the permissions that it has now; \
               ask for the token again";
    Waited::Failed {
        error: "connection_required".to_owned(),
        description: Some(why.to_owned()),
    }
}
