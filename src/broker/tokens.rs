//! An owner's tokens: importing, listing, revoking and deleting them.

use std::time::Duration;

use super::{Broker, Error};
use crate::api::requests::{ImportedToken, TokenImportRequest};
use crate::event::{Event, Kind, Source};
use crate::identity::{Owner, ProviderId, TokenId, UserId};
use crate::oauth::{self, Revocation};
use crate::provider::Provider;
use crate::token::{State, Token};
use crate::vault::{self, Change, Secrets, Stored};

/// How long a provider has to revoke a token before it is deleted all the same.
const REVOCATION_PATIENCE: Duration = Duration::from_secs(4);

impl Broker {
    /// Stores a token that was obtained elsewhere.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the owner has no such provider.
    pub async fn import_token(
        &self,
        owner: Owner,
        request: TokenImportRequest,
    ) -> Result<TokenId, Error> {
        let provider = self.find_provider(owner, &request.provider_id)?;
        let user_id = self.user(owner, None);
        let imported = self.imported(owner, &provider, user_id, &request.token);
        let event = self.event(&imported, Kind::Imported);
        let token_id = imported.id;
        self.0
            .vault
            .write(move |change| {
                let secrets = imported_secrets(&request.token);
                change.add_token(imported, secrets, request.is_default)?;
                change.add_event(&event)
            })
            .await?;
        Ok(token_id)
    }

    /// An owner's tokens, newest first, of one provider or all.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub fn tokens(&self, owner: Owner, provider_id: Option<&str>) -> Result<Vec<Token>, Error> {
        let all = self.0.vault.read(|view| view.tokens(owner))?;
        let named =
            |token: &Token| provider_id.is_none_or(|id| token.provider.provider_id.as_str() == id);
        Ok(all
            .into_iter()
            .map(|stored| stored.token)
            .filter(named)
            .collect())
    }

    /// Whether an owner has any token of a provider.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub fn has_token(&self, owner: Owner, provider_id: &str) -> Result<bool, Error> {
        let Some(id) = ProviderId::parse(provider_id) else {
            return Ok(false);
        };
        Ok(self.0.vault.read(|view| view.has_token(owner, &id))?)
    }

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
            self.find_provider(owner, provider_id)?;
        }
        self.revoke_and_delete(owner, tokens).await
    }

    /// Revokes at their providers, all at once, then deletes.
    async fn revoke_and_delete(
        &self,
        owner: Owner,
        tokens: Vec<Stored>,
    ) -> Result<(usize, usize), Error> {
        let count = tokens.len();
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
        let revoking = self.0.oauth.revoke(&provider, &access, refresh.as_ref());
        match tokio::time::timeout(REVOCATION_PATIENCE, revoking).await {
            Ok(Ok(Revocation::Revoked)) => Ok(()),
            Ok(Ok(Revocation::NoEndpoint)) => {
                Err("its provider has no way to revoke one".to_owned())
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(oauth::Error::Unavailable { retry_after: None }.to_string()),
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
        let deleted = self.0.vault.write(move |change| {
            change.remove_token(&token)?;
            change.add_event(&event)
        });
        match deleted.await {
            // Somebody else deleted it just now.
            Ok(()) | Err(vault::Error::NotFound) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn event(&self, token: &Token, kind: Kind) -> Event {
        Event::about(
            token,
            kind,
            Source::Api,
            self.0.ambient.uuid(),
            self.0.ambient.now(),
        )
    }

    /// An imported token that is not stored yet.
    fn imported(
        &self,
        owner: Owner,
        provider: &Provider,
        user_id: UserId,
        given: &ImportedToken,
    ) -> Token {
        let now = self.0.ambient.now();
        Token {
            id: TokenId::new(self.0.ambient.uuid()),
            owner,
            provider: provider.reference(),
            binding: provider.binding(),
            user_id,
            agent_id: None,
            account_label: None,
            token_type: "Bearer".to_owned(),
            granted: given.scopes.clone(),
            requested: given.scopes.clone(),
            issued_at: now,
            expires_at: given
                .expires_in_seconds
                .map(|seconds| now.plus_seconds(seconds)),
            is_refreshable: given.refresh_token.is_some(),
            is_default: false,
            state: State::Active,
            generation: 1,
            metadata: given.metadata.clone().unwrap_or_default(),
            created_at: now,
            updated_at: now,
            refreshed_at: None,
            used_at: None,
        }
    }
}

fn imported_secrets(given: &ImportedToken) -> Secrets<'_> {
    Secrets {
        access_token: &given.access_token,
        refresh_token: given.refresh_token.as_ref(),
    }
}

/// The rule of the default: exactly one token of an owner, provider and user
/// is it, as long as there is any.
impl Change<'_> {
    /// Stores a new token; it becomes the default if it is to, or is the first.
    pub(super) fn add_token(
        &self,
        token: Token,
        secrets: Secrets<'_>,
        is_default: bool,
    ) -> Result<Token, vault::Error> {
        let others =
            self.tokens_of_provider(token.owner, &token.provider, Some(&token.user_id), None)?;
        let is_default = is_default || !others.iter().any(|other| other.token.is_default);
        if is_default {
            self.clear_default(&token)?;
        }
        let token = Token {
            is_default,
            ..token
        };
        self.insert_token(&token, secrets)?;
        Ok(token)
    }

    /// Deletes a token; if it was the default, the most recently used one
    /// that remains becomes it.
    pub(super) fn remove_token(&self, token: &Token) -> Result<(), vault::Error> {
        self.delete_token(token.owner, token.id)?;
        if !token.is_default {
            return Ok(());
        }
        let others =
            self.tokens_of_provider(token.owner, &token.provider, Some(&token.user_id), None)?;
        let last_used = |stored: &&Stored| stored.token.used_at.unwrap_or(stored.token.created_at);
        others
            .iter()
            .max_by_key(last_used)
            .map_or(Ok(()), |heir| self.set_default(&heir.token))
    }
}
