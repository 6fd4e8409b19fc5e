//! The tokens and their secrets.

mod changes;
mod defaults;
mod row;

use rusqlite::{Row, named_params};

use super::cipher::SealContext;
use super::pages::{Cursor, PAGE_ROWS, Page};
use super::row_authentication;
use super::rows::Named;
use super::{Error, View};
use crate::identity::{AgentId, Owner, ProviderId, TokenId, UserId};
use crate::provider::ProviderRef;
use crate::secret::{AccessToken, RefreshToken};
use crate::token::Token;

pub use self::defaults::Group;

use self::row::{SELECT, Sealed};

pub(super) const TABLE: &str = "tokens";

pub(super) const NAMED: Named = Named {
    table: TABLE,
    row: "id",
};

/// A token as it is stored. Its secrets stay sealed until they are requested.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The token without its secrets.
    pub token: Token,
    sealed: Sealed,
}

impl Stored {
    /// The approximate size of the token in the vault, in bytes.
    pub(super) fn sealed_size(&self) -> u64 {
        let Sealed {
            access_token,
            refresh_token,
            ..
        } = &self.sealed;
        let metadata = serde_json::to_string(&self.token.metadata);
        let metadata = metadata.map_or(0, |text| text.len());
        let tokens = access_token.len() + refresh_token.as_ref().map_or(0, String::len);
        (tokens + metadata) as u64
    }
}

/// The secrets that a change stores for a token.
#[derive(Clone, Copy, Debug)]
pub struct Secrets<'a> {
    /// The access token.
    pub access_token: &'a AccessToken,
    /// The refresh token, if there is one.
    pub refresh_token: Option<&'a RefreshToken>,
}

impl View<'_> {
    /// One token of an owner.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the row cannot be read.
    pub fn token(&self, owner: Owner, id: TokenId) -> Result<Option<Stored>, Error> {
        let mut statement = self
            .connection
            .prepare_cached(&[&**SELECT, "WHERE t.owner = ?1 AND t.id = ?2"].concat())?;
        self.one(NAMED, &mut statement, (owner, id), |row| {
            self.read_token(row)
        })
    }

    /// An owner's tokens, newest first.
    ///
    /// # Errors
    /// As [`Self::token`].
    pub fn tokens(&self, owner: Owner) -> Result<Vec<Stored>, Error> {
        let mut statement = self
            .connection
            .prepare_cached(&[&**SELECT, "WHERE t.owner = ?1 ORDER BY t.seq DESC"].concat())?;
        let rows = statement.query([owner])?;
        self.readable(NAMED, rows, |row| self.read_token(row))
    }

    /// A page of an owner's tokens, newest first, of one provider or all.
    ///
    /// # Errors
    /// [`Error::Corrupt`] or [`Error::Unwritable`] if the file cannot be read.
    pub fn tokens_page(
        &self,
        owner: Owner,
        provider_id: Option<&ProviderId>,
        from: Cursor,
    ) -> Result<Page<Token>, Error> {
        let condition = match provider_id {
            None => "WHERE t.owner = ?1 AND ?2 IS NULL AND t.seq < ?3 ORDER BY t.seq DESC LIMIT ?4",
            Some(_) => {
                "WHERE t.owner = ?1 AND t.provider_id = ?2 AND t.seq < ?3
                 ORDER BY t.seq DESC LIMIT ?4"
            }
        };
        let mut statement = self
            .connection
            .prepare_cached(&[&**SELECT, condition].concat())?;
        let rows = statement.query((owner, provider_id, from.0, PAGE_ROWS))?;
        self.page(NAMED, rows, |row| Ok(self.read_token(row)?.token))
    }

    /// An owner's tokens of one provider, newest first: those of `user_id` if
    /// it is given, and those that `agent_id` may use if it is given.
    ///
    /// # Errors
    /// As [`Self::token`].
    pub fn tokens_of_provider(
        &self,
        owner: Owner,
        provider: &ProviderRef,
        user_id: Option<&UserId>,
        agent_id: Option<&AgentId>,
    ) -> Result<Vec<Stored>, Error> {
        let mut statement = self.connection.prepare_cached(
            &[
                &**SELECT,
                match user_id {
                    None => {
                        "WHERE t.owner = :owner AND t.provider_id = :provider_id
                           AND :user_id IS NULL AND t.source = :source
                           AND (:agent_id IS NULL OR EXISTS (
                            SELECT 1 FROM connections c WHERE c.owner = t.owner
                             AND c.token_id = t.id AND c.agent_id = :agent_id))
                         ORDER BY t.seq DESC"
                    }
                    Some(_) => {
                        "WHERE t.owner = :owner AND t.provider_id = :provider_id
                           AND t.user_id = :user_id AND t.source = :source
                           AND (:agent_id IS NULL OR EXISTS (
                            SELECT 1 FROM connections c WHERE c.owner = t.owner
                             AND c.token_id = t.id AND c.agent_id = :agent_id))
                         ORDER BY t.seq DESC"
                    }
                },
            ]
            .concat(),
        )?;
        let rows = statement.query(named_params! {
            ":owner": owner,
            ":provider_id": provider.provider_id,
            ":source": provider.source,
            ":user_id": user_id,
            ":agent_id": agent_id,
        })?;
        self.readable(NAMED, rows, |row| self.read_token(row))
    }

    /// As [`View::default_token`], but an unreadable row is an error.
    pub(super) fn read_default(&self, group: Group<'_>) -> Result<Option<Stored>, Error> {
        let mut statement = self.connection.prepare_cached(
            &[
                &**SELECT,
                "WHERE t.owner = :owner AND t.source = :source AND t.provider_id = :provider_id
                   AND t.user_id = :user_id
                   AND coalesce(t.agent_id, '') = coalesce(:agent_id, '') AND t.is_default = 1",
            ]
            .concat(),
        )?;
        let parameters = named_params! {
            ":owner": group.owner,
            ":source": group.provider.source,
            ":provider_id": group.provider.provider_id,
            ":user_id": group.user_id,
            ":agent_id": group.agent_id,
        };
        self.one(NAMED, &mut statement, parameters, |row| {
            self.read_token(row)
        })
    }

    /// The token of an owner that has this refresh token.
    ///
    /// # Errors
    /// As [`Self::token`].
    pub fn token_with_refresh_token(
        &self,
        owner: Owner,
        refresh_token: &RefreshToken,
    ) -> Result<Option<Stored>, Error> {
        let mut statement = self.connection.prepare_cached(
            &[
                &**SELECT,
                "WHERE t.owner = ?1 AND t.refresh_token_hash = ?2 ORDER BY t.seq LIMIT 1",
            ]
            .concat(),
        )?;
        let fingerprint = self.cipher.fingerprint(owner, refresh_token);
        self.one(NAMED, &mut statement, (owner, fingerprint), |row| {
            self.read_token(row)
        })
    }

    /// Every owner's tokens in the state
    /// [`State::Active`](crate::token::State::Active).
    ///
    /// # Errors
    /// As [`Self::token`].
    pub fn active_tokens(&self) -> Result<Vec<Stored>, Error> {
        let mut statement = self
            .connection
            .prepare_cached(&[&**SELECT, "WHERE t.person_needed IS NULL"].concat())?;
        let rows = statement.query([])?;
        self.readable(NAMED, rows, |row| self.read_token(row))
    }

    /// Opens a token's access token.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the value was altered or copied from another
    /// place.
    pub fn access_token(&self, stored: &Stored) -> Result<AccessToken, Error> {
        let row = stored.token.id.to_string();
        let context = context(stored.token.owner, &row, "access_token");
        let sealed = &stored.sealed;
        self.cipher
            .open(context, &sealed.key_id, &sealed.access_token)
            .map(AccessToken::new)
    }

    /// Opens a token's refresh token, if it has one.
    ///
    /// # Errors
    /// As [`Self::access_token`].
    pub fn refresh_token(&self, stored: &Stored) -> Result<Option<RefreshToken>, Error> {
        let row = stored.token.id.to_string();
        let context = context(stored.token.owner, &row, "refresh_token");
        let sealed = &stored.sealed;
        let open = |text: &String| {
            self.cipher
                .open(context, &sealed.key_id, text)
                .map(RefreshToken::new)
        };
        sealed.refresh_token.as_ref().map(open).transpose()
    }

    /// Reads every token, so that unreadable rows are recorded.
    pub(super) fn survey_tokens(&self) -> Result<(), Error> {
        let mut statement = self.connection.prepare(&SELECT)?;
        let rows = statement.query([])?;
        self.readable(NAMED, rows, |row| self.read_token(row).map(drop))?;
        Ok(())
    }

    fn read_token(&self, row: &Row<'_>) -> Result<Stored, Error> {
        self.require_authentic(&row_authentication::TOKENS, row)?;
        let mut stored = row::read(row)?;
        let token = &mut stored.token;
        token.used_at = self.usage.last(token.id).max(token.used_at);
        Ok(stored)
    }
}

fn context<'a>(owner: Owner, row: &'a str, column: &'static str) -> SealContext<'a> {
    SealContext {
        owner,
        table: TABLE,
        row,
        column,
    }
}
