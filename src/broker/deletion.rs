//! Deleting tokens: revoked at their providers first, and deleted whether or
//! not that worked.

use std::time::Duration;

use super::{Broker, Error};
use crate::event::Kind;
use crate::identity::{Owner, TokenId};
use crate::oauth::{self, Revocation};
use crate::provider::Provider;
use crate::secret::{AccessToken, RefreshToken};
use crate::token::Token;
use crate::vault::{self, Stored};

/// How long a provider has to revoke a token before it is deleted all the same.
const REVOCATION_PATIENCE: Duration = Duration::from_secs(4);

impl Broker {
    /// Revokes at the provider, then deletes, every token an owner has of it;
    /// how many there were, and how many of them the provider has revoked.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is neither such a provider nor a token.
    pub async fn delete_tokens_of_provider(
        &self,
        owner: Owner,
        provider_id: &str,
    ) -> Result<(usize, usize), Error> {
        let named = |stored: &Stored| stored.token.provider.provider_id.as_str() == provider_id;
        let all = self.0.vault.read(|view| view.tokens(owner))?;
        let tokens: Vec<_> = all.into_iter().filter(named).collect();
        if tokens.is_empty() {
            self.find_provider(owner, provider_id)
                .or_else(|_| self.platform_provider(provider_id))?;
        }
        self.revoke_and_delete(owner, tokens).await
    }

    /// Revokes at its provider, then deletes, one token.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete_one_token(&self, owner: Owner, token_id: &str) -> Result<(), Error> {
        let id = TokenId::parse(token_id).ok_or_else(Error::no_token)?;
        let found = self.0.vault.read(|view| view.token(owner, id))?;
        let stored = found.ok_or_else(Error::no_token)?;
        self.revoke_and_delete(owner, vec![stored]).await.map(drop)
    }

    /// Revokes at Slack, then deletes, every token of Slack's that an owner
    /// has; how many there were, and how many of them Slack has revoked.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub async fn delete_slack_tokens(&self, owner: Owner) -> Result<(usize, usize), Error> {
        let tokens = self.slack_tokens(owner)?;
        self.revoke_and_delete(owner, tokens).await
    }

    /// Revokes at their providers, all at once, then deletes.
    async fn revoke_and_delete(
        &self,
        owner: Owner,
        tokens: Vec<Stored>,
    ) -> Result<(usize, usize), Error> {
        let count = tokens.len();
        self.learn_revocation_endpoints(owner, &tokens).await;
        let revocations: Vec<_> = tokens
            .into_iter()
            .map(|stored| {
                let broker = self.clone();
                tokio::spawn(async move {
                    let why_not = broker.revoke(owner, &stored).await.err();
                    (stored.token, why_not)
                })
            })
            .collect();
        let mut revoked = 0;
        for revocation in revocations {
            let (token, why_not) = revocation.await.map_err(|_| Error::Stopping)?;
            revoked += usize::from(why_not.is_none());
            self.delete_token(token, why_not).await?;
        }
        Ok((count, revoked))
    }

    /// Revokes a token at its provider; the error says why it was not, in
    /// words for the event.
    async fn revoke(&self, owner: Owner, stored: &Stored) -> Result<(), String> {
        let provider = self
            .provider_of(owner, &stored.token.provider)
            .map_err(|_| "its provider is no longer known here".to_owned())?;
        if provider.binding() != stored.token.binding {
            return Err("the provider's client or address was changed since".to_owned());
        }
        let secrets = self
            .0
            .vault
            .read(|view| Ok((view.access_token(stored)?, view.refresh_token(stored)?)));
        let (access, refresh) = secrets.map_err(|error| error.to_string())?;
        self.revoke_at(&provider, &access, refresh.as_ref()).await
    }

    /// As [`Self::revoke`], for a grant that is at hand.
    pub(super) async fn revoke_at(
        &self,
        provider: &Provider,
        access: &AccessToken,
        refresh: Option<&RefreshToken>,
    ) -> Result<(), String> {
        let revoking = self.0.oauth.revoke(provider, access, refresh);
        match tokio::time::timeout(REVOCATION_PATIENCE, revoking).await {
            Ok(Ok(Revocation::Revoked)) => Ok(()),
            Ok(Ok(Revocation::NoEndpoint)) => {
                Err("its provider has no way to revoke one".to_owned())
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(oauth::Error::Unreachable.to_string()),
        }
    }

    async fn delete_token(&self, token: Token, why_not: Option<String>) -> Result<(), Error> {
        let event = match why_not {
            None => self
                .event(&token, Kind::Revoked)
                .because("deleted, and revoked at the provider"),
            Some(why) => self
                .event(&token, Kind::Deleted)
                .because(format!("deleted, but not revoked at the provider: {why}")),
        };
        let (owner, id) = (token.owner, token.id);
        let deleted = self.0.vault.write(move |change| {
            // As it is now: it may have become the default since it was read.
            let current = change.token(owner, id)?.ok_or(vault::Error::NotFound)?;
            change.remove_token(&current.token)?;
            change.add_event(&event)
        });
        match deleted.await {
            // Somebody else deleted it just now.
            Ok(()) | Err(vault::Error::NotFound) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
