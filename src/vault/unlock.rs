//! Loads the key that the vault's rows are sealed with, and verifies it.

use rusqlite::{Connection, OptionalExtension as _};
use uuid::Uuid;

use super::Error;
use super::cipher::{Cipher, KeyCheck};
use super::key::{self, KeyRing, Store};
use crate::clock::{Env, Timestamp};

/// The vault's identifier. Creates one if there is none.
pub(super) fn vault_id(connection: &Connection, env: &Env) -> Result<Uuid, Error> {
    if let Some(id) = known_id(connection)? {
        return Ok(id);
    }
    let id = env.uuid();
    connection.execute(
        "INSERT INTO vault (only_row, id, created_at) VALUES (1, ?1, ?2)",
        (id.to_string(), env.now()),
    )?;
    Ok(id)
}

/// The vault's identifier, if it has one.
pub(super) fn known_id(connection: &Connection) -> Result<Option<Uuid>, Error> {
    let id: Option<String> = connection
        .query_row("SELECT id FROM vault", [], |row| row.get(0))
        .optional()?;
    let parse = |id: String| {
        Uuid::try_parse(&id).map_err(|_| Error::Corrupt {
            what: "the vault's own identifier".to_owned(),
        })
    };
    id.map(parse).transpose()
}

/// Verifies the key that the store keeps. Creates a key only for a vault
/// without key checks.
pub(super) fn unlock(
    connection: &Connection,
    id: Uuid,
    (store, kept): (&dyn Store, Option<KeyRing>),
    env: &Env,
) -> Result<(Cipher, KeyRing), Error> {
    let rows = key_checks(connection)?;
    if !rows.is_empty() {
        let ring = kept.ok_or_else(|| Error::KeyMissing {
            place: store.place(),
        })?;
        return Ok((verify(id, &ring, &rows, store)?, ring));
    }
    let ring = kept.map_or_else(|| key::create(store, env), Ok)?;
    let cipher = Cipher::new(id, &ring)?;
    add_key_check(connection, &cipher, env)?;
    Ok((cipher, ring))
}

/// Loads and verifies the key without changing anything.
///
/// # Errors
/// [`Error::KeyMissing`], [`Error::KeyUnusable`] or [`Error::WrongKey`];
/// [`Error::Corrupt`] if a key check is damaged.
pub(super) fn load_verified(
    connection: &Connection,
    store: &dyn Store,
) -> Result<(Cipher, KeyRing), Error> {
    let id = known_id(connection)?.ok_or_else(|| Error::Corrupt {
        what: "the vault's own identifier is missing".to_owned(),
    })?;
    let ring = store.load()?.ok_or_else(|| Error::KeyMissing {
        place: store.place(),
    })?;
    Ok((verify(id, &ring, &key_checks(connection)?, store)?, ring))
}

/// Whether the key checks say that every row has its authentication code.
pub(super) fn is_authenticated(connection: &Connection, cipher: &Cipher) -> Result<bool, Error> {
    let key_checks = key_checks(connection)?;
    let mut said = key_checks
        .iter()
        .map(|(id, value)| cipher.verify_check(id, value));
    Ok(said.any(|found| found == Some(KeyCheck::OfKeyAndRows)))
}

/// Records in each key check that every row has its authentication code.
pub(super) fn record_authenticated(
    connection: &Connection,
    cipher: &Cipher,
    now: Timestamp,
) -> Result<(), Error> {
    for (key_id, _) in key_checks(connection)? {
        if let Some(check_value) = cipher.check_value(&key_id, now) {
            connection.execute(
                "UPDATE keys SET check_value = ?2 WHERE key_id = ?1",
                (key_id, check_value),
            )?;
        }
    }
    Ok(())
}

/// Adds the key check of the primary key if it is missing. Every row must have
/// its authentication code by then.
pub(super) fn add_key_check(
    connection: &Connection,
    cipher: &Cipher,
    env: &Env,
) -> Result<(), Error> {
    let now = env.now();
    connection.execute(
        "INSERT INTO keys (key_id, check_value, created_at) VALUES (?1, ?2, ?3)
         ON CONFLICT DO NOTHING",
        (
            &cipher.key_id().0,
            cipher.check_value(&cipher.key_id().0, now),
            now,
        ),
    )?;
    Ok(())
}

/// The names of the keys that seal rows, with their sealed check values.
pub(super) fn key_checks(connection: &Connection) -> Result<Vec<(String, String)>, Error> {
    let mut statement = connection.prepare("SELECT key_id, check_value FROM keys")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn verify(
    id: Uuid,
    ring: &KeyRing,
    key_checks: &[(String, String)],
    store: &dyn Store,
) -> Result<Cipher, Error> {
    let cipher = Cipher::new(id, ring)?;
    for (key_id, check_value) in key_checks {
        if !cipher.knows(key_id) {
            return Err(Error::WrongKey {
                place: store.place(),
            });
        }
        if cipher.verify_check(key_id, check_value).is_none() {
            return Err(Error::Corrupt {
                what: "the key check".to_owned(),
            });
        }
    }
    Ok(cipher)
}
