//! Deleting an owner's tokens, and having their providers revoke them.

use super::Tokens;
use crate::broker::Error;
use crate::broker::commands::RowName;
use crate::broker::revoker::{Deleted, DeletedTokens};
use crate::identity::{Owner, ProviderId, TokenId};
use crate::vault::{self, Change, Stored};

impl Tokens {
    /// Deletes every token an owner has of a provider, and has the provider
    /// revoke them.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is neither such a provider nor a token.
    /// Nothing is deleted or revoked after an error.
    pub async fn delete_of_provider(
        &self,
        owner: Owner,
        provider_id: &ProviderId,
    ) -> Result<Deleted, Error> {
        let named = |stored: &Stored| stored.token.provider.provider_id == *provider_id;
        let all = self
            .context
            .read_at_length(owner, |view| view.tokens(owner))
            .await?;
        let tokens: Vec<_> = all.into_iter().filter(named).collect();
        if tokens.is_empty() {
            self.providers.usable(owner, provider_id)?;
        }
        self.delete_stored(owner, tokens).await
    }

    /// Deletes one token, and has its provider revoke it.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn delete(&self, owner: Owner, token: RowName<TokenId>) -> Result<Deleted, Error> {
        let id = match token {
            RowName::Id(id) => id,
            RowName::Damaged(row) => {
                self.delete_unreadable(owner, row).await?;
                return Ok(Deleted::default());
            }
        };
        match self.context.vault.read(|view| view.token(owner, id)) {
            Err(vault::Error::UnreadableRow { .. }) => {
                self.delete_unreadable(owner, id.to_string()).await?;
                Ok(Deleted::default())
            }
            found => {
                let stored = found?.ok_or_else(Error::no_token)?;
                self.delete_stored(owner, vec![stored]).await
            }
        }
    }

    /// Deletes every token of Slack's that an owner has, and has Slack revoke
    /// them.
    ///
    /// # Errors
    /// [`Error::Vault`].
    pub async fn delete_of_slack(&self, owner: Owner) -> Result<Deleted, Error> {
        let tokens = self.slack_tokens(owner).await?;
        self.delete_stored(owner, tokens).await
    }

    async fn delete_stored(&self, owner: Owner, tokens: Vec<Stored>) -> Result<Deleted, Error> {
        let deletion = self.revoker.deletion("deleted");
        let ids: Vec<_> = tokens.iter().map(|stored| stored.token.id).collect();
        let change = move |change: &Change<'_>| {
            let mut deleted = DeletedTokens::default();
            for id in &ids {
                // Read again: it may have become the default meanwhile.
                let Some(stored) = change.token(owner, *id)? else {
                    continue;
                };
                let provider = deletion.provider_of(change, &stored.token)?;
                let revocation = deletion.record(change, &stored, provider)?;
                deleted.add(&stored.token, revocation);
                change.remove_token(&stored.token)?;
            }
            Ok((deleted, ()))
        };
        let (deleted, ()) = self.revoker.delete(owner, change).await?;
        Ok(deleted)
    }
}
