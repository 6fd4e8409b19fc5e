//! Issuing stored tokens to callers, fresh enough to be used.

use std::time::Duration;

use super::{Purpose, Refreshed, Refresher};
use crate::broker::Error;
use crate::identity::ProviderId;
use crate::metrics::Series;
use crate::oauth;
use crate::secret::AccessToken;
use crate::token::{Freshness, State, Token};
use crate::vault::{self, Stored};

/// A token for a permitted caller.
#[derive(Debug)]
pub struct IssuedToken {
    /// What is known of it.
    pub token: Box<Token>,
    /// The token itself.
    pub access_token: AccessToken,
    /// Whether a resource refuses it, by the caller's word, and it cannot be
    /// refreshed.
    pub is_refused: bool,
}

impl Refresher {
    /// Issues a token that stays good long enough to be used, after a refresh if
    /// need be; `None` if its grant has ended.
    ///
    /// # Errors
    /// [`Error::ProviderUnavailable`], [`Error::ClientRefused`] or
    /// [`Error::RefreshRefused`] if it has expired and cannot be refreshed now.
    pub(in crate::broker) async fn issue(
        &self,
        stored: Stored,
        purpose: Purpose,
    ) -> Result<Option<IssuedToken>, Error> {
        let freshness = self.freshness(&stored.token);
        if freshness == Freshness::Fresh {
            return self.open(&stored).map(Some);
        }
        if !stored.token.is_refreshable {
            // It cannot be refreshed, so its last minute is used too.
            return if freshness == Freshness::Stale {
                self.open(&stored).map(Some)
            } else {
                Ok(None)
            };
        }
        self.issue_refreshed(stored, purpose).await
    }

    /// Issues a token after a refresh. If it cannot be refreshed now and is still
    /// good, it is issued as it is; `None` if its grant has ended.
    pub(super) async fn issue_refreshed(
        &self,
        stored: Stored,
        purpose: Purpose,
    ) -> Result<Option<IssuedToken>, Error> {
        let refreshed = self.refreshed(&stored.token, purpose).await;
        // Read again: a person may have renewed or deleted it meanwhile.
        let (owner, id) = (stored.token.owner, stored.token.id);
        let current = self.context.vault.read(|view| view.token(owner, id))?;
        let current = current.ok_or_else(Error::no_token)?;
        if current.token.state != State::Active {
            return Ok(None);
        }
        if self.freshness(&current.token) != Freshness::Dead {
            return self.open(&current).map(Some);
        }
        let provider_id = current.token.provider.provider_id;
        match refreshed {
            Refreshed::Ended => Ok(None),
            Refreshed::RetryAfter(retry_after) => Err(self.why_not_now(provider_id, retry_after)),
            Refreshed::Rejected(refusal @ oauth::Error::ClientRejected { .. }, retry_after) => {
                Err(Error::ClientRefused {
                    provider_id,
                    refusal,
                    retry_after,
                })
            }
            Refreshed::Rejected(refusal, retry_after) => Err(Error::RefreshRefused {
                provider_id,
                refusal,
                retry_after,
            }),
            Refreshed::Done => Err(Error::ProviderUnavailable {
                provider_id,
                retry_after: Duration::from_secs(1),
            }),
        }
    }

    /// Why a refresh could not be done now. Nothing is sent while the store cannot
    /// be written.
    fn why_not_now(&self, provider_id: ProviderId, retry_after: Duration) -> Error {
        match self.context.vault.unwritable() {
            Some(why) => vault::Error::Unwritable { why }.into(),
            None => Error::ProviderUnavailable {
                provider_id,
                retry_after,
            },
        }
    }

    /// Issues a token as it is stored, and counts the use.
    pub(super) fn open(&self, stored: &Stored) -> Result<IssuedToken, Error> {
        let access_token = self.context.vault.read(|view| view.access_token(stored))?;
        self.context
            .vault
            .mark_used(stored.token.id, self.context.env.now());
        let owner = stored.token.owner;
        self.context.metrics.count(owner, Series::IssuedToken);
        Ok(IssuedToken {
            token: Box::new(stored.token.clone()),
            access_token,
            is_refused: false,
        })
    }
}
