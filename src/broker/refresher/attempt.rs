//! One attempt to refresh a token: it is stored, sent, and sent again if the first
//! outcome is unknown.

use super::circuit::Ticket;
use super::{Purpose, Refreshed, Refresher};
use crate::broker::Error;
use crate::clock::ClockReading;
use crate::event::Source;
use crate::failpoint;
use crate::oauth;
use crate::provider::Provider;
use crate::secret::RefreshToken;
use crate::token::{Freshness, Grant, State, Token};
use crate::vault;

/// A refresh token that is being sent to its provider.
pub(super) struct Attempt {
    pub(super) refresher: Refresher,
    /// The token as it was when the attempt was written down.
    pub(super) token: Token,
    pub(super) provider: Provider,
    pub(super) refresh_token: RefreshToken,
    /// Why it is refreshed.
    pub(super) purpose: Purpose,
    /// The circuit's ticket for the request.
    pub(super) ticket: Ticket,
    /// When the request was first sent.
    pub(super) sent_at: ClockReading,
    /// Whether this attempt or an earlier one may have spent it.
    pub(super) in_doubt: bool,
}

impl Refresher {
    /// Refreshes a token unless that is no longer needed. The attempt is stored
    /// before the refresh token is sent.
    pub(super) async fn refresh(
        &self,
        asked: &Token,
        purpose: Purpose,
        ticket: Ticket,
    ) -> Result<Refreshed, Error> {
        let (owner, id) = (asked.owner, asked.id);
        let Some(stored) = self.context.vault.read(|view| view.token(owner, id))? else {
            return Ok(Refreshed::Ended);
        };
        let token = &stored.token;
        if token.state != State::Active {
            return Ok(Refreshed::Ended);
        }
        let is_newer = token.generation != asked.generation;
        if !is_needed(purpose, is_newer, self.freshness(token)) {
            return Ok(Refreshed::Done);
        }
        let provider = self.providers.referred(owner, &token.provider)?;
        if provider.binding() != token.binding {
            // Its refresh token belongs to another client or endpoint.
            return self
                .end_grant(token, "provider_changed", Source::Refresh)
                .await;
        }
        let Some(refresh_token) = self
            .context
            .vault
            .read(|view| view.refresh_token(&stored))?
        else {
            return Ok(Refreshed::Ended);
        };
        let was_in_doubt = self.context.vault.read(|view| view.is_in_doubt(token))?;
        // Held until the answer is stored, so that there is room for it.
        let _space = self.context.vault.reserve_space(Some(&stored)).await?;
        failpoint::pass("refresh.begin");
        let (attempt, now) = (token.clone(), self.context.env.now());
        let begun = self.context.vault.write_for(attempt.owner, move |change| {
            change.begin_attempt(&attempt, now)
        });
        match begun.await {
            Ok(()) => {}
            // Deleted or renewed by a person just now, which takes precedence.
            Err(vault::Error::NotFound) => return Ok(Refreshed::Done),
            Err(error) => return Err(error.into()),
        }
        failpoint::pass("refresh.recorded");
        let attempt = Attempt {
            refresher: self.clone(),
            token: stored.token,
            provider,
            refresh_token,
            purpose,
            ticket,
            sent_at: self.context.env.reading(),
            in_doubt: was_in_doubt,
        };
        attempt.run().await
    }
}

impl Attempt {
    /// Sends the refresh token and stores the result.
    async fn run(mut self) -> Result<Refreshed, Error> {
        let mut answer = self.send().await?;
        if matches!(answer, Some(Err(oauth::Error::OutcomeUnknown { .. }))) {
            // Some servers answer the same refresh token twice within a grace period.
            answer = self.send().await?;
        }
        failpoint::pass("refresh.answered");
        match answer {
            // Deleted or renewed by a person just now, which takes precedence.
            None => Ok(Refreshed::Done),
            Some(Ok(grant)) => {
                self.note_valid_answer();
                self.store(grant).await
            }
            Some(Err(oauth::Error::InvalidGrant { .. })) => {
                self.note_valid_answer();
                let reason = if self.in_doubt {
                    "rotation_lost"
                } else {
                    "invalid_grant"
                };
                self.refresher
                    .end_grant(&self.token, reason, Source::Refresh)
                    .await
            }
            Some(Err(error)) => Ok(self.note_failure(error).await),
        }
    }

    fn note_valid_answer(&self) {
        let now = self.refresher.context.env.reading();
        self.refresher.state.health.succeeded(&self.token, now);
    }

    /// Sends the refresh token once. A refresh token that arrives without an access
    /// token replaces it at once. `None` if the token was deleted or renewed
    /// meanwhile.
    async fn send(&mut self) -> Result<Option<Result<Grant, oauth::Error>>, Error> {
        let context = &self.refresher.context;
        let asked_at = context.env.now();
        let sent =
            context
                .oauth
                .refresh(&self.provider, &self.refresh_token, &self.token.requested);
        let failed = match sent.await {
            Ok(grant) => {
                let expires_at = grant
                    .expires_at
                    .or_else(|| self.token.expiry_after(asked_at));
                return Ok(Some(Ok(Grant {
                    expires_at,
                    ..grant
                })));
            }
            Err(failed) => failed,
        };
        self.in_doubt |= matches!(failed.error, oauth::Error::OutcomeUnknown { .. });
        if let Some(new) = failed.refresh_token
            && !self.keep_refresh_token(new).await?
        {
            return Ok(None);
        }
        Ok(Some(Err(failed.error)))
    }
}

/// Whether a stored token is refreshed for `purpose`. `is_newer` says that another
/// refresh or a person has renewed it since the refresh was asked for.
fn is_needed(purpose: Purpose, is_newer: bool, freshness: Freshness) -> bool {
    match purpose {
        // The caller gets what was stored meanwhile, unless that has expired.
        Purpose::Asked | Purpose::Person if is_newer => freshness == Freshness::Dead,
        Purpose::Asked | Purpose::Person => freshness != Freshness::Fresh,
        Purpose::Background | Purpose::Refused => !is_newer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_that_was_renewed_meanwhile_is_refreshed_only_if_it_is_dead_and_asked_for() {
        for purpose in [Purpose::Asked, Purpose::Person] {
            assert!(!is_needed(purpose, true, Freshness::Fresh));
            assert!(!is_needed(purpose, true, Freshness::Stale));
            assert!(is_needed(purpose, true, Freshness::Dead));
            assert!(is_needed(purpose, false, Freshness::Stale));
        }
        for purpose in [Purpose::Background, Purpose::Refused] {
            assert!(!is_needed(purpose, true, Freshness::Dead));
            assert!(is_needed(purpose, false, Freshness::Fresh));
        }
    }
}
