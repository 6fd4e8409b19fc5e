//! Storing how a refresh ended: the new pair, the end of the grant, or a failure
//! that leaves the grant as it is.

use std::sync::Arc;
use std::time::Duration;

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
use crate::vault::{self, Change, Secrets, View};

impl Attempt {
    /// Stores the new pair.
    pub(super) async fn store(self, grant: Grant) -> Result<Refreshed, Error> {
        let context = &self.refresher.context;
        let reason = match self.purpose {
            Purpose::Refused => "refused",
            _ => "expiring",
        };
        let (now, event_id) = (context.env.now(), context.env.uuid());
        let (old, spent) = (self.token.clone(), self.refresh_token.clone());
        let (owner, id) = (old.owner, old.id);
        let grant = Arc::new(grant);
        let new = Arc::clone(&grant);
        let store = move |change: &Change<'_>| {
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
        };
        match context.save(owner, store).await {
            Ok(()) => log_limited!(20, info, token.id = %id, "a grant was refreshed"),
            // Deleted or renewed by a person meanwhile, which takes precedence.
            Err(vault::Error::NotFound) => {
                log_limited!(20, info, token.id = %id, "a refreshed token was gone");
                self.revoke_if_deleted(&new).await?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(Refreshed::Done)
    }

    /// Stores a refresh token that arrived without an access token. It replaces the
    /// one that was sent, which may be spent, and the attempt goes on with it, still
    /// in doubt. `false` if the token was deleted or renewed by a person meanwhile;
    /// the attempt then ends.
    pub(super) async fn keep_refresh_token(&mut self, new: RefreshToken) -> Result<bool, Error> {
        let context = &self.refresher.context;
        let (old, now) = (self.token.clone(), context.env.now());
        let kept = new.clone();
        let keep = move |change: &Change<'_>| {
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
        };
        match context.save(self.token.owner, keep).await {
            Ok(token) => {
                log_limited!(20, warn, token.id = %token.id, "a refresh brought no access token; its refresh token is kept");
                self.token = token;
                self.refresh_token = new;
                Ok(true)
            }
            Err(vault::Error::NotFound) => {
                let grant = Grant::of_refresh_token(new, now);
                self.revoke_if_deleted(&grant).await?;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Revokes a grant that arrived after its token was deleted. If a person renewed
    /// the token meanwhile, the grant is only forgotten: at many providers its
    /// revocation would end the new login, too.
    async fn revoke_if_deleted(&self, grant: &Grant) -> Result<(), Error> {
        let (context, old) = (&self.refresher.context, &self.token);
        let read = |view: &View<'_>| view.token(old.owner, old.id);
        if context.vault.read(read)?.is_some() {
            return Ok(());
        }
        let (now, id) = (context.env.now(), context.env.uuid());
        let event = Event::about(old, Kind::Deleted, Source::Refresh, id, now)
            .because("arrived after its token was deleted");
        let revoker = &self.refresher.revoker;
        revoker.revoke_orphan(event, &self.provider, grant).await;
        Ok(())
    }

    /// Stores that a refresh failed. The grant stays. If the outcome is unknown, the
    /// attempt stays open in the vault.
    pub(super) async fn note_failure(self, error: oauth::Error) -> Refreshed {
        let (context, token) = (&self.refresher.context, self.token.clone());
        let wait = self.wait_after(&error);
        let (now, retry_after) = (context.env.now(), wait.as_secs_f32());
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
        let (kind, source, id) = (Kind::RefreshFailed, Source::Refresh, context.env.uuid());
        let event = Event::about(&token, kind, source, id, now).because(failure.error.clone());
        let is_over = !self.in_doubt;
        let noted = context.vault.write_for(token.owner, move |change| {
            if is_over {
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
        match error {
            refusal @ (oauth::Error::ClientRejected { .. } | oauth::Error::Refused { .. }) => {
                Refreshed::Rejected(refusal, wait)
            }
            _ => Refreshed::RetryAfter(wait),
        }
    }

    /// Notes a failure with the client's health. Returns how long to wait before
    /// trying again.
    fn wait_after(&self, error: &oauth::Error) -> Duration {
        let failed = Failed {
            error,
            doubt: self.in_doubt.then_some(Doubt {
                generation: self.token.generation,
                sent_at: self.sent_at,
            }),
        };
        let (state, env) = (&self.refresher.state, &self.refresher.context.env);
        state.health.failed(&self.token, self.ticket, failed, env)
    }
}

impl Refresher {
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
                let is_current = change.require_reauthorization(&token, reason, now)?;
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
