//! Tokens that were obtained elsewhere.
//!
//! A refresh token is stored once: an import of one that is stored renews its
//! row. Two rows would each spend it, and a provider that rotates refresh tokens
//! ends the whole grant at the second use (RFC 9700, section 4.14.2).

use super::Tokens;
use crate::broker::Error;
use crate::broker::commands::{ImportToken, ImportedToken};
use crate::broker::context::Context;
use crate::event::{Event, Kind};
use crate::identity::{Owner, Scopes, TokenId};
use crate::provider::Provider;
use crate::quota::New;
use crate::token::{State, Token};
use crate::vault::{self, Change, Group, Secrets, Stored, View};

impl Tokens {
    /// Stores a token that was obtained elsewhere. One whose refresh token is
    /// stored renews that token.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the owner has no such provider;
    /// [`Error::AlreadyExists`] if the refresh token is stored for another
    /// provider or user.
    pub async fn import(&self, owner: Owner, command: ImportToken) -> Result<TokenId, Error> {
        let provider = self.providers.of_owner(owner, &command.provider_id)?;
        let imported = imported(&self.context, owner, &provider, &command.token);
        let event = self.context.api_event(&imported, Kind::Imported);
        let room = self.context.room();
        // The caller may not have another copy of the token. So room for it is
        // reserved, as for a provider's answer, before the import begins.
        let vault = &self.context.vault;
        let renewed = vault.read(|view| holder_of(view, owner, &command.token))?;
        let _space = vault.reserve_space(renewed.as_ref()).await?;
        let import = move |change: &Change<'_>| {
            let given = &command.token;
            let old = holder_of(change, owner, given)?.map(|stored| stored.token);
            if let Err(refused) = require_same_account(old.as_ref(), &imported) {
                return Ok(Err(refused));
            }
            if old.is_none() {
                room.check(change, owner, New::Token)?;
            }
            let token = store_import(change, old, imported.clone(), given, command.is_default)?;
            change.add_event(&import_event(event.clone(), &token))?;
            Ok(Ok(token.id))
        };
        let token_id = vault.save(owner, import).await??;
        self.refresher.note_new_grant();
        Ok(token_id)
    }
}

/// An imported token that is not stored yet.
pub(in crate::broker) fn imported(
    context: &Context,
    owner: Owner,
    provider: &Provider,
    given: &ImportedToken,
) -> Token {
    let now = context.env.now();
    Token {
        id: TokenId::new(context.env.uuid()),
        owner,
        provider: provider.reference(),
        binding: provider.binding(),
        user_id: context.user(owner, given.user_id.as_ref()),
        agent_id: None,
        account_id: None,
        account_label: None,
        own_label: None,
        token_type: "Bearer".to_owned(),
        granted: given.scopes.clone(),
        requested: given.scopes.clone(),
        issued_at: now,
        expires_at: given.expires_in.map(|life| now.plus(life)),
        is_refreshable: given.refresh_token.is_some(),
        is_default: false,
        state: State::Active,
        generation: 1,
        metadata: given.metadata.clone(),
        created_at: now,
        updated_at: now,
        refreshed_at: None,
        failure: None,
        used_at: None,
    }
}

/// Whether an import may renew the token that holds its refresh token.
///
/// # Errors
/// [`Error::AlreadyExists`] if that is another provider's or user's.
pub(in crate::broker) fn require_same_account(
    old: Option<&Token>,
    imported: &Token,
) -> Result<(), Error> {
    let is_other =
        |old: &&Token| old.provider != imported.provider || old.user_id != imported.user_id;
    match old.filter(is_other) {
        None => Ok(()),
        Some(old) => Err(Error::AlreadyExists {
            what: format!(
                "this refresh token belongs to the stored token {} of the provider {:?} and \
                 the user {:?}, which must be deleted first: it",
                old.id,
                old.provider.provider_id.as_str(),
                old.user_id.as_str()
            ),
        }),
    }
}

/// The event of an import, about the token as it is stored.
pub(in crate::broker) fn import_event(event: Event, token: &Token) -> Event {
    let is_new = event.token_id == Some(token.id);
    let event = Event {
        token_id: Some(token.id),
        agent_id: event.agent_id.or_else(|| token.agent_id.clone()),
        account_label: token.label().map(str::to_owned),
        ..event
    };
    event.because(if is_new { "imported" } else { "renewed" })
}

fn imported_secrets(given: &ImportedToken) -> Secrets<'_> {
    Secrets {
        access_token: &given.access_token,
        refresh_token: given.refresh_token.as_ref(),
    }
}

/// The stored token that holds the refresh token of an import.
pub(in crate::broker) fn holder_of(
    view: &View<'_>,
    owner: Owner,
    given: &ImportedToken,
) -> Result<Option<Stored>, vault::Error> {
    match &given.refresh_token {
        Some(refresh_token) => view.token_with_refresh_token(owner, refresh_token),
        None => Ok(None),
    }
}

/// Stores an imported token: in place of `old`, which has the same refresh token, or
/// as a new one.
pub(in crate::broker) fn store_import(
    change: &Change<'_>,
    old: Option<Token>,
    imported: Token,
    given: &ImportedToken,
    is_default: bool,
) -> Result<Token, vault::Error> {
    match old {
        Some(old) => renew_by_import(change, old, imported, given, is_default),
        None => change.add_token(imported, imported_secrets(given), is_default),
    }
}

/// Renews the token that holds the refresh token of an import.
fn renew_by_import(
    change: &Change<'_>,
    old: Token,
    imported: Token,
    given: &ImportedToken,
    is_default: bool,
) -> Result<Token, vault::Error> {
    // A refresh that is under way, or whose outcome is unknown, uses up the
    // imported refresh token: its answer is the newer grant.
    if change.is_in_doubt(&old)? {
        return Ok(old);
    }
    let renewed = renewed_by_import(&old, imported);
    change.replace_token(&renewed, imported_secrets(given))?;
    if old.is_default && old.agent_id != renewed.agent_id {
        change.pass_default_on(&old)?;
    }
    if is_default || change.default_token(Group::of(&renewed))?.is_none() {
        change.set_default(&renewed)?;
    }
    let stored = change.token(renewed.owner, renewed.id)?;
    Ok(stored.ok_or(vault::Error::NotFound)?.token)
}

/// The stored token with the grant of an import. If the import names no agent, the
/// token becomes the user's own; agents keep their permissions.
fn renewed_by_import(old: &Token, imported: Token) -> Token {
    let agent_id = imported.agent_id.as_ref().and(old.agent_id.clone());
    let is_silent = imported.granted.is_empty();
    let scopes = |old: &Scopes, new| if is_silent { old.clone() } else { new };
    let mut metadata = old.metadata.clone();
    metadata.extend(imported.metadata);
    Token {
        id: old.id,
        is_default: old.is_default && agent_id == old.agent_id,
        agent_id,
        account_id: old.account_id.clone(),
        account_label: old.account_label.clone(),
        own_label: imported.own_label.or_else(|| old.own_label.clone()),
        granted: scopes(&old.granted, imported.granted),
        requested: scopes(&old.requested, imported.requested),
        generation: old.generation + 1,
        metadata,
        created_at: old.created_at,
        refreshed_at: old.refreshed_at,
        used_at: old.used_at,
        ..imported
    }
}
