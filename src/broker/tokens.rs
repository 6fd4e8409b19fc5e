//! An owner's tokens: authenticate, list, import, name, choose the default, delete.
//!
//! [`Tokens`] stands above the refresher, which issues tokens, and the logins, which
//! bring new ones.

mod authenticate;
mod decision;
mod delete;
mod events;
pub(super) mod imports;
mod unreadable;

use std::sync::Arc;

use super::Error;
use super::commands::UpdateToken;
use super::context::Context;
use super::logins::Logins;
use super::provider_lookup::ProviderLookup;
use super::refresher::Refresher;
use super::revoker::Revoker;
use crate::identity::{Owner, ProviderId};
use crate::provider;
use crate::token::Token;
use crate::vault::{self, Change, Cursor, Page, Stored, View};

pub use self::authenticate::Authenticated;

/// An owner's tokens; clones share its state.
#[derive(Clone, Debug)]
pub struct Tokens {
    context: Arc<Context>,
    providers: Arc<ProviderLookup>,
    revoker: Revoker,
    refresher: Refresher,
    logins: Logins,
}

impl Tokens {
    pub(super) fn new(
        context: Arc<Context>,
        providers: Arc<ProviderLookup>,
        revoker: Revoker,
        refresher: Refresher,
        logins: Logins,
    ) -> Self {
        Self {
            context,
            providers,
            revoker,
            refresher,
            logins,
        }
    }

    /// A page of an owner's tokens, newest first, of one provider or all.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub fn list(
        &self,
        owner: Owner,
        provider_id: Option<&ProviderId>,
        from: Cursor,
    ) -> Result<Page<Token>, Error> {
        let read = |view: &View<'_>| view.tokens_page(owner, provider_id, from);
        Ok(self.context.vault.read(read)?)
    }

    /// Whether an owner has any token of a provider.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub fn has_token(&self, owner: Owner, id: &ProviderId) -> Result<bool, Error> {
        Ok(self.context.vault.read(|view| view.has_token(owner, id))?)
    }

    /// Whether an owner has any token of Slack's.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub async fn has_slack_token(&self, owner: Owner) -> Result<bool, Error> {
        let tokens = self.slack_tokens(owner).await?;
        Ok(!tokens.is_empty())
    }

    /// An owner's tokens from Slack, under any provider identifier.
    async fn slack_tokens(&self, owner: Owner) -> Result<Vec<Stored>, Error> {
        let all = self
            .context
            .read_at_length(owner, |view| view.tokens(owner))
            .await?;
        let is_slack = |stored: &Stored| {
            stored.token.binding.is_of_slack()
                || self
                    .providers
                    .referred(owner, &stored.token.provider)
                    .is_ok_and(|provider| provider.kind == Some(provider::Kind::Slack))
        };
        Ok(all.into_iter().filter(is_slack).collect())
    }

    /// Changes the name of a token's account (an empty name restores the provider's)
    /// and whether the token is the default. If the default is unset, the most
    /// recently used other token becomes it; without another one nothing changes.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn update(&self, owner: Owner, command: UpdateToken) -> Result<Token, Error> {
        let id = command.token_id;
        let now = self.context.env.now();
        let update = move |change: &Change<'_>| {
            let current =
                || Ok::<_, vault::Error>(change.token(owner, id)?.map(|stored| stored.token));
            let token = current()?.ok_or(vault::Error::NotFound)?;
            if let Some(label) = &command.label {
                let label = Some(label.as_str()).filter(|label| !label.is_empty());
                change.set_label(&token, label, now)?;
            }
            match command.is_default {
                Some(true) => change.set_default(&token)?,
                Some(false) if token.is_default => change.pass_default_on(&token)?,
                _ => {}
            }
            current()?.ok_or(vault::Error::NotFound)
        };
        self.context
            .vault
            .write_for(owner, update)
            .await
            .map_err(Error::or_no_token)
    }
}
