//! Storing how a refresh ended: the new pair, the end of the grant, or a failure
//! that leaves the grant as it is.

use std::sync::Arc;

use super::attempt::Attempt;
use super::backoff::Doubt;
use super::client::Failed;
use super::{Purpose, Refreshed, Refresher};
use crate::broker::Error;
use crate::event::{Event, Kind, Source};
use crate::failpoint;
use crate::log_limit::log_limited;
use crate::oauth;
use crate::secret::RefreshToken;
use crate::token::{Failure, Grant, Token};
use crate::vault::{self, Secrets};

impl Refresher {
    /// Makes the new pair durable.
    pub(super) async fn store_refresh(
        &self,
        attempt: Attempt,
        grant: Grant,
    ) -> Result<Refreshed, Error> {
        let Attempt {
            token: old,
            provider,
            refresh_token: spent,
            purpose,
            ..
        } = attempt;
        let reason = match purpose {
            Purpose::Refused => "refused",
            _ => "expiring",
        };
        let now = self.context.env.now();
        let event_id = self.context.env.uuid();
        let (owner, id) = (old.owner, old.id);
        let orphaned = Event::about(&old, Kind::Deleted, Source::Refresh, event_id, now)
            .because("arrived after its token was deleted");
        let grant = Arc::new(grant);
        let new = Arc::clone(&grant);
        let saved = self
            .context
            .save(owner, move |change| {
                let Some(current) = change.token(old.owner, old.id)? else {
                    return Err(vault::Error::NotFound);
                };
                let renewed = renewed(current.token, &old, &grant, now);
                // A reply without a refresh token keeps the old one.
                let secrets = Secrets {
                    access_token: &grant.access_token,
                    refresh_token: grant.refresh_token.as_ref().or(Some(&spent)),
                };
                change.replace_token(&renewed, secrets)?;
                change.end_attempt(renewed.owner, renewed.id)?;
                let (kind, source) = (Kind::Refreshed, Source::Refresh);
                let event = Event::about(&renewed, kind, source, event_id, now);
                change.add_event(&event.because(reason))?;
                failpoint::pass("refresh.save");
                Ok(())
            })
            .await;
        match saved {
            Ok(()) => log_limited!(20, info, token.id = %id, "a grant was refreshed"),
            // Deleted or renewed by a person meanwhile, which takes precedence.
            Err(vault::Error::NotFound) => {
                log_limited!(20, info, token.id = %id, "a refreshed token was gone");
                if self
                    .context
                    .vault
                    .read(|view| view.token(owner, id))?
                    .is_none()
                {
                    self.revoker.revoke_orphan(orphaned, &provider, &new).await;
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(Refreshed::Done)
    }

    /// Stores a refresh token that arrived without an access token. It replaces the
    /// one that was sent, which may be spent, and the attempt goes on with it, still
    /// in doubt. `false` if the token was deleted or renewed by a person meanwhile;
    /// the attempt then ends.
    pub(super) async fn keep_refresh_token(
        &self,
        attempt: &mut Attempt,
        new: RefreshToken,
    ) -> Result<bool, Error> {
        let (old, now) = (attempt.token.clone(), self.context.env.now());
        let kept = new.clone();
        let saved = self
            .context
            .save(old.owner, move |change| {
                let stored = change.token(old.owner, old.id)?;
                let stored = stored.ok_or(vault::Error::NotFound)?;
                let access_token = change.access_token(&stored)?;
                let token = Token {
                    generation: old.generation + 1,
                    updated_at: now,
                    ..stored.token
                };
                let secrets = Secrets {
                    access_token: &access_token,
                    refresh_token: Some(&kept),
                };
                change.replace_token(&token, secrets)?;
                change.begin_attempt(&token, now)?;
                Ok(token)
            })
            .await;
        match saved {
            Ok(token) => {
                log_limited!(20, warn, token.id = %token.id, "a refresh brought no access token; its refresh token is kept");
                attempt.token = token;
                attempt.refresh_token = new;
                Ok(true)
            }
            Err(vault::Error::NotFound) => {
                self.end_leftover(attempt, new).await?;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Revokes a refresh token that arrived alone after its token was deleted. If a
    /// person renewed the token meanwhile, it is only forgotten: at many providers
    /// its revocation would end the new login, too.
    async fn end_leftover(&self, attempt: &Attempt, left: RefreshToken) -> Result<(), Error> {
        let old = &attempt.token;
        if self
            .context
            .vault
            .read(|view| view.token(old.owner, old.id))?
            .is_some()
        {
            return Ok(());
        }
        let (now, id) = (self.context.env.now(), self.context.env.uuid());
        let event = Event::about(old, Kind::Deleted, Source::Refresh, id, now)
            .because("arrived after its token was deleted");
        let grant = Grant::of_refresh_token(left, now);
        self.revoker
            .revoke_orphan(event, &attempt.provider, &grant)
            .await;
        Ok(())
    }

    /// Ends a grant, if its token still has the generation that was refused.
    pub(super) async fn end_grant(
        &self,
        token: &Token,
        reason: &'static str,
        source: Source,
    ) -> Result<Refreshed, Error> {
        let now = self.context.env.now();
        let event = Event::about(
            token,
            Kind::ReconnectRequired,
            source,
            self.context.env.uuid(),
            now,
        );
        let (token, id) = (token.clone(), token.id);
        let ended = self
            .context
            .save(token.owner, move |change| {
                let is_current = change.mark_person_needed(&token, reason, now)?;
                if is_current {
                    change.end_attempt(token.owner, token.id)?;
                    change.add_event(&event.clone().because(reason))?;
                }
                Ok(is_current)
            })
            .await?;
        if !ended {
            return Ok(Refreshed::Done);
        }
        log_limited!(20, warn, token.id = %id, reason, "a grant has ended; a person must log in again");
        Ok(Refreshed::Ended)
    }

    /// Stores that a refresh failed. The grant stays. If the outcome is unknown, the
    /// attempt stays open in the vault.
    pub(super) async fn note_failed_refresh(
        &self,
        attempt: Attempt,
        error: oauth::Error,
    ) -> Result<Refreshed, Error> {
        let Attempt {
            token,
            ticket,
            sent_at,
            in_doubt,
            ..
        } = attempt;
        let env = &self.context.env;
        let failed = Failed {
            error: &error,
            doubt: in_doubt.then_some(Doubt {
                generation: token.generation,
                sent_at,
            }),
        };
        let health = &self.state.health;
        let wait = health.failed(&token, ticket, failed, env);
        let (now, retry_after) = (env.now(), wait.as_secs_f32());
        log_limited!(20, warn,
            token.id = %token.id, error = %error, retry_after,
            "a refresh did not succeed; the grant is kept"
        );
        let failure = Failure {
            error: error.to_string(),
            at: now,
            retry_at: now.plus(wait),
        };
        // The same error in a row makes one event.
        let known = token.failure.as_ref();
        let is_news = known.is_none_or(|known| known.error != failure.error);
        let (kind, source) = (Kind::RefreshFailed, Source::Refresh);
        let event =
            Event::about(&token, kind, source, env.uuid(), now).because(failure.error.clone());
        let noted = self.context.vault.write_for(token.owner, move |change| {
            if !in_doubt {
                change.end_attempt(token.owner, token.id)?;
            }
            change.note_failure(&token, &failure)?;
            if is_news {
                change.add_event(&event)?;
            }
            Ok(())
        });
        if let Err(error) = noted.await {
            // The attempt stays open, so that it counts as in doubt.
            log_limited!(20, error, error = %error, "a failed refresh was not written down");
        }
        Ok(match error {
            refusal @ (oauth::Error::ClientRejected { .. } | oauth::Error::Refused { .. }) => {
                Refreshed::Rejected(refusal, wait)
            }
            _ => Refreshed::RetryAfter(wait),
        })
    }
}

/// The token with its refreshed grant. `old` is the token whose refresh token was
/// sent. A token that needs a person by now, because its provider was changed,
/// stays so.
fn renewed(current: Token, old: &Token, grant: &Grant, now: crate::clock::Timestamp) -> Token {
    let mut metadata = current.metadata.clone();
    metadata.extend(grant.metadata.clone());
    Token {
        token_type: grant.token_type.clone(),
        granted: grant
            .scopes
            .clone()
            .unwrap_or_else(|| current.granted.clone()),
        issued_at: now,
        expires_at: grant.expires_at,
        is_refreshable: true,
        generation: old.generation + 1,
        account_id: current
            .account_id
            .clone()
            .or_else(|| grant.account_id.clone()),
        account_label: current
            .account_label
            .clone()
            .or_else(|| grant.account_label.clone()),
        metadata,
        updated_at: now,
        refreshed_at: Some(now),
        failure: None,
        ..current
    }
}
