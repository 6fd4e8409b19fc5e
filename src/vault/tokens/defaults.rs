//! The default tokens. A group is the tokens of one owner, provider, user and
//! agent; while a group has a token, exactly one of them is its default.

use rusqlite::named_params;

use super::{Secrets, Stored, TABLE};
use crate::clock::Timestamp;
use crate::identity::{AgentId, Owner, TokenId, UserId};
use crate::provider::ProviderRef;
use crate::token::Token;
use crate::vault::{Change, Error, View};

/// The tokens among which one is the default.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a> {
    /// The owner.
    pub owner: Owner,
    /// The provider.
    pub provider: &'a ProviderRef,
    /// The user for whom the tokens were obtained.
    pub user_id: &'a UserId,
    /// The agent for which the tokens were obtained; `None` for the user's own
    /// tokens.
    pub agent_id: Option<&'a AgentId>,
}

impl<'a> Group<'a> {
    /// The group that a token belongs to.
    #[must_use]
    pub fn of(token: &'a Token) -> Self {
        Self {
            owner: token.owner,
            provider: &token.provider,
            user_id: &token.user_id,
            agent_id: token.agent_id.as_ref(),
        }
    }
}

impl View<'_> {
    /// The default token of a group, read without the others; `None` also if
    /// its row cannot be read.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the file cannot be read.
    pub fn default_token(&self, group: Group<'_>) -> Result<Option<Stored>, Error> {
        match self.read_default(group) {
            Err(Error::UnreadableRow { .. }) => Ok(None),
            found => found,
        }
    }

    /// The most recently used token of the group other than `except`. A token
    /// that was never used counts from its creation.
    ///
    /// # Errors
    /// As [`Self::default_token`].
    pub fn last_used_token(
        &self,
        group: Group<'_>,
        except: TokenId,
    ) -> Result<Option<TokenId>, Error> {
        // The tokens are not read: a group can have many.
        let mut statement = self.connection.prepare_cached(
            "SELECT id, coalesce(used_at, created_at) FROM tokens
             WHERE owner = :owner AND provider_id = :provider_id AND user_id = :user_id
               AND source = :source AND agent_id IS :agent_id ORDER BY seq DESC",
        )?;
        let mut rows = statement.query(named_params! {
            ":owner": group.owner,
            ":provider_id": group.provider.provider_id,
            ":user_id": group.user_id,
            ":source": group.provider.source,
            ":agent_id": group.agent_id,
        })?;
        let mut last: Option<(Timestamp, TokenId)> = None;
        while let Some(row) = rows.next()? {
            let (Ok(id), Ok(stored)) = (row.get(0), row.get::<_, Timestamp>(1)) else {
                continue;
            };
            let used = self.usage.last(id).map_or(stored, |used| used.max(stored));
            let is_later = id != except && last.is_none_or(|(latest, _)| used > latest);
            if is_later && !self.unreadable.has(TABLE, group.owner, &id.to_string()) {
                last = Some((used, id));
            }
        }
        Ok(last.map(|(_, id)| id))
    }
}

impl Change<'_> {
    /// Makes `token` the default of its group in place of any other.
    ///
    /// # Errors
    /// [`Error::Unwritable`] if the vault cannot be written.
    pub fn set_default(&self, token: &Token) -> Result<(), Error> {
        self.clear_default(token)?;
        self.connection.execute(
            "UPDATE tokens SET is_default = 1 WHERE owner = ?1 AND id = ?2",
            (token.owner, token.id),
        )?;
        Ok(())
    }

    /// Leaves the group of `token` without a default.
    ///
    /// # Errors
    /// As [`Self::set_default`].
    pub fn clear_default(&self, token: &Token) -> Result<(), Error> {
        self.connection.execute(
            "UPDATE tokens SET is_default = 0
             WHERE owner = ?1 AND source = ?2 AND provider_id = ?3 AND user_id = ?4
               AND agent_id IS ?5 AND is_default = 1",
            (
                token.owner,
                token.provider.source,
                &token.provider.provider_id,
                &token.user_id,
                &token.agent_id,
            ),
        )?;
        Ok(())
    }

    /// Stores a new token. It becomes the default if `is_default` is set or its
    /// group has no default.
    ///
    /// # Errors
    /// As [`Self::set_default`].
    pub fn add_token(
        &self,
        token: Token,
        secrets: Secrets<'_>,
        is_default: bool,
    ) -> Result<Token, Error> {
        let is_default = is_default || self.default_token(Group::of(&token))?.is_none();
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

    /// Deletes a token. If it was the default, the most recently used token that
    /// remains in its group becomes the default.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the token was deleted before; otherwise as
    /// [`Self::set_default`].
    pub fn remove_token(&self, token: &Token) -> Result<(), Error> {
        self.delete_token(token.owner, token.id)?;
        if token.is_default {
            self.pass_default_on(token)?;
        }
        Ok(())
    }

    /// Makes the most recently used other token of the group the default. If the
    /// group has no other token, nothing changes.
    ///
    /// # Errors
    /// As [`Self::set_default`].
    pub fn pass_default_on(&self, token: &Token) -> Result<(), Error> {
        match self.last_used_token(Group::of(token), token.id)? {
            None => Ok(()),
            Some(successor) => self.set_default(&Token {
                id: successor,
                ..token.clone()
            }),
        }
    }
}
