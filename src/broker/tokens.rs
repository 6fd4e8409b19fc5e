//! An owner's tokens: listing, naming and choosing among them.

use std::collections::BTreeMap;

use super::{Broker, Error};
use crate::api::requests::TokenUpdateRequest;
use crate::event::{Event, Kind, Source};
use crate::identity::{Owner, ProviderId, TokenId};
use crate::provider;
use crate::token::Token;
use crate::vault::{self, Change, Cursor, Page, Stored, View};

impl Broker {
    /// A page of an owner's tokens, newest first, of one provider or all.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub fn tokens(
        &self,
        owner: Owner,
        provider_id: Option<&ProviderId>,
        from: Cursor,
    ) -> Result<Page<Token>, Error> {
        let read = |view: &View<'_>| view.tokens_page(owner, provider_id, from);
        Ok(self.0.vault.read(read)?)
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

    /// For each of these providers, whether an owner has any token of it.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub fn have_tokens(
        &self,
        owner: Owner,
        provider_ids: Vec<String>,
    ) -> Result<BTreeMap<String, bool>, Error> {
        provider_ids
            .into_iter()
            .map(|id| self.has_token(owner, &id).map(|has_token| (id, has_token)))
            .collect()
    }

    /// Whether an owner has any token of Slack's.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub async fn has_slack_token(&self, owner: Owner) -> Result<bool, Error> {
        let tokens = self.slack_tokens(owner).await?;
        Ok(!tokens.is_empty())
    }

    /// An owner's tokens of Slack's, whatever their providers are called.
    pub(super) async fn slack_tokens(&self, owner: Owner) -> Result<Vec<Stored>, Error> {
        let all = self
            .0
            .read_at_length(owner, |view| view.tokens(owner))
            .await?;
        let is_slack = |stored: &Stored| {
            stored.token.binding.is_of_slack()
                || self
                    .provider_of(owner, &stored.token.provider)
                    .is_ok_and(|provider| provider.kind == Some(provider::Kind::Slack))
        };
        Ok(all.into_iter().filter(is_slack).collect())
    }

    /// Changes what a person decides of a token: what its account is called
    /// (an empty name gives it back the provider's), and whether it is the
    /// default. A default that is to be none hands over to the most recently
    /// used other one; without another one it stays.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn update_token(
        &self,
        owner: Owner,
        token_id: &str,
        request: TokenUpdateRequest,
    ) -> Result<Token, Error> {
        let id = TokenId::parse(token_id).ok_or_else(Error::no_token)?;
        let now = self.0.env.now();
        let update = move |change: &Change<'_>| {
            let current =
                || Ok::<_, vault::Error>(change.token(owner, id)?.map(|stored| stored.token));
            let token = current()?.ok_or(vault::Error::NotFound)?;
            if let Some(label) = &request.provider_account_label {
                let label = Some(label.as_str()).filter(|label| !label.is_empty());
                change.set_label(&token, label, now)?;
            }
            match request.is_default {
                Some(true) => change.set_default(&token)?,
                Some(false) if token.is_default => change.pass_default_on(&token)?,
                _ => {}
            }
            current()?.ok_or(vault::Error::NotFound)
        };
        self.0
            .vault
            .write_for(owner, update)
            .await
            .map_err(no_such_token)
    }

    /// An event that a call of the API brings about.
    pub(super) fn event(&self, token: &Token, kind: Kind) -> Event {
        let (id, now) = (self.0.env.uuid(), self.0.env.now());
        Event::about(token, kind, Source::Api, id, now)
    }
}

/// The caller named a token that is not the owner's.
pub(super) fn no_such_token(error: vault::Error) -> Error {
    match error {
        vault::Error::NotFound => Error::no_token(),
        other => other.into(),
    }
}
