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
        self.send_refresh(Attempt {
            token: stored.token,
            provider,
            refresh_token,
            purpose,
            ticket,
            sent_at: self.context.env.reading(),
            in_doubt: was_in_doubt,
        })
        .await
    }

    /// Sends the refresh token and stores the result.
    async fn send_refresh(&self, mut attempt: Attempt) -> Result<Refreshed, Error> {
        let health = &self.state.health;
        let mut answer = self.send(&mut attempt).await?;
        if matches!(answer, Some(Err(oauth::Error::OutcomeUnknown { .. }))) {
            // Some servers answer the same refresh token twice within a grace period.
            answer = self.send(&mut attempt).await?;
        }
        failpoint::pass("refresh.answered");
        match answer {
            // Deleted or renewed by a person just now, which takes precedence.
            None => Ok(Refreshed::Done),
            Some(Ok(grant)) => {
                health.succeeded(&attempt.token, self.context.env.reading());
                self.store_refresh(attempt, grant).await
            }
            Some(Err(oauth::Error::InvalidGrant { .. })) => {
                health.succeeded(&attempt.token, self.context.env.reading());
                let reason = if attempt.in_doubt {
                    "rotation_lost"
                } else {
                    "invalid_grant"
                };
                self.end_grant(&attempt.token, reason, Source::Refresh)
                    .await
            }
            Some(Err(error)) => self.note_failed_refresh(attempt, error).await,
        }
    }

    /// Sends the refresh token once. A refresh token that arrives without an access
    /// token replaces it at once. `None` if the token was deleted or renewed
    /// meanwhile.
    async fn send(
        &self,
        attempt: &mut Attempt,
    ) -> Result<Option<Result<Grant, oauth::Error>>, Error> {
        let asked_at = self.context.env.now();
        let Attempt {
            token,
            provider,
            refresh_token,
            ..
        } = attempt;
        let sent = self
            .context
            .oauth
            .refresh(provider, refresh_token, &token.requested);
        let failed = match sent.await {
            Ok(grant) => {
                let expires_at = grant.expires_at.or_else(|| token.expiry_after(asked_at));
                return Ok(Some(Ok(Grant {
                    expires_at,
                    ..grant
                })));
            }
            Err(failed) => failed,
        };
        attempt.in_doubt |= matches!(failed.error, oauth::Error::OutcomeUnknown { .. });
        if let Some(new) = failed.refresh_token
            && !self.keep_refresh_token(attempt, new).await?
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
