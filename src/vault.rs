//! The vault: an SQLite file whose secrets are sealed, and the only place that
//! remembers anything.
//!
//! It knows nothing of OAuth or HTTP, and no type of SQLite leaves it. Reading
//! goes through [`Vault::read`] with a [`View`], writing through
//! [`Vault::write`] with a [`Change`], which is one durable transaction: all of
//! it is on the disk before the call returns, or none of it ever is.

mod attempts;
mod ballast;
pub mod backup;
pub mod check;
mod cipher;
mod columns;
mod sqlite;
mod connections;
mod counts;
pub mod key_move;
mod error;
mod events;
#[cfg(test)]
mod explain;
mod fingerprints;
mod flows;
mod folder;
mod consent_tokens;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod key;
mod key_store;
mod lock;
mod mac;
mod opening;
mod ownership;
mod pages;
mod placement;
mod providers;
mod read_only;
mod readers;
mod remedy;
mod resealing;
pub mod restore;
mod revocations;
pub mod rotation;
mod row_authentication;
mod rows;
mod schema;
mod sealed;
mod survey;
mod tokens;
mod totals;
mod health;
mod unlock;
mod upkeep;
mod usage;
mod writer;

use std::cell::Cell;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

pub use self::attempts::Attempt;
pub use self::ballast::Room;
pub use self::connections::Permission;
pub use self::consent_tokens::Offer;
pub use self::error::Error;
pub use self::flows::StoredFlow;
pub use self::key_store::KeyStore;
pub use self::pages::{Cursor, Page};
pub use self::remedy::Remedy;
pub use self::revocations::Revocation;
pub use self::tokens::{Group, Secrets, Stored};

use self::ballast::Ballast;
use self::cipher::Cipher;
use self::health::Health;
use self::lock::DataLock;
use self::opening::Unlocked;
use self::placement::Placement;
use self::readers::Readers;
use self::rows::Unreadable;
use self::survey::Surveyed;
use self::usage::Usage;
use self::writer::{Surroundings, Work, Writer, Written};
use crate::clock::{Env, Timestamp};
use crate::identity::{OrganizationId, Owner, TokenId};
use crate::trusted::Owners;

/// The vault's file in the data folder.
const FILE: &str = "vault.db";

/// Where the vault is and how much it keeps.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of the vault, made at mode 0700 where it is missing.
    pub data_dir: PathBuf,
    /// Which place keeps the key.
    pub key_store: KeyStore,
    /// The key file, in another folder, made where it is missing; only of
    /// meaning where that is the key's place.
    pub key_file: PathBuf,
    /// How many events are kept per owner.
    pub max_events: u32,
}

/// An open vault; clones share it.
#[derive(Clone, Debug)]
pub struct Vault(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: Uuid,
    writer: Writer,
    readers: Readers,
    cipher: Arc<Cipher>,
    usage: Arc<Usage>,
    unreadable: Arc<Unreadable>,
    surveyed: Surveyed,
    max_events: u32,
    trouble: Arc<Health>,
    ballast: Arc<Ballast>,
    placement: Arc<Placement>,
    /// The vault's own folder.
    data_dir: PathBuf,
    /// Before this time no backup is tried, since the last one failed.
    next_backup: Mutex<Option<Timestamp>>,
    /// Let go last, when the writer has ended.
    lock: DataLock,
}

/// What an open vault is put together from.
struct Opened {
    id: Uuid,
    cipher: Cipher,
    /// Where [`Options::data_dir`] really is.
    options: Options,
    lock: DataLock,
    placement: Placement,
    writing: Connection,
    reading: Connection,
}

/// What a change needs beside the writing connection.
struct Context {
    cipher: Arc<Cipher>,
    usage: Arc<Usage>,
    unreadable: Arc<Unreadable>,
    max_events: u32,
}

/// What a read sees.
pub struct View<'a> {
    connection: &'a Connection,
    cipher: &'a Cipher,
    usage: &'a Usage,
    unreadable: &'a Unreadable,
}

/// A transaction in the making; it also reads.
pub struct Change<'a> {
    view: View<'a>,
    max_events: u32,
    erases: Cell<bool>,
}

impl<'a> Deref for Change<'a> {
    type Target = View<'a>;

    fn deref(&self) -> &View<'a> {
        &self.view
    }
}

impl View<'_> {
    /// Whether there is neither provider nor token.
    fn is_empty(&self) -> Result<bool, Error> {
        let query =
            "SELECT NOT EXISTS (SELECT 1 FROM providers) AND NOT EXISTS (SELECT 1 FROM tokens)";
        Ok(self.connection.query_row(query, [], |row| row.get(0))?)
    }
}

impl Change<'_> {
    /// Says that the change overwrites or deletes a secret, so that its old
    /// ciphertext must not stay in the write-ahead log.
    fn erase_after_commit(&self) {
        self.erases.set(true);
    }

    /// Writes a page and leaves it as it was. An update to the same value alone
    /// would not be one: SQLite compares, and writes nothing.
    fn touch(&self) -> Result<(), Error> {
        self.connection.execute_batch(
            "UPDATE vault SET created_at = created_at + 1;
             UPDATE vault SET created_at = created_at - 1",
        )?;
        Ok(())
    }
}

impl Inner {
    fn context(&self) -> Context {
        Context {
            cipher: Arc::clone(&self.cipher),
            usage: Arc::clone(&self.usage),
            unreadable: Arc::clone(&self.unreadable),
            max_events: self.max_events,
        }
    }
}

impl Context {
    /// Makes a change within the transaction of `connection`; its value, and
    /// whether it overwrote a secret.
    fn run<T>(
        &self,
        connection: &Connection,
        work: impl FnOnce(&Change<'_>) -> Result<T, Error>,
    ) -> Written<T> {
        let view = View {
            connection,
            cipher: &self.cipher,
            usage: &self.usage,
            unreadable: &self.unreadable,
        };
        let change = Change {
            view,
            max_events: self.max_events,
            erases: Cell::new(false),
        };
        let value = work(&change)?;
        Ok((value, change.erases.get()))
    }
}

impl Vault {
    /// Opens the vault, making it and its key where there is none. Of one on a
    /// read-only disk a copy in memory is opened, which refuses every change.
    ///
    /// # Errors
    /// Every variant of [`Error`] but the ones about rows; each says what to do.
    pub fn open(options: &Options, env: &Env) -> Result<Self, Error> {
        let owners = Owners::of_this_process();
        let unlocked = match Unlocked::open(options, env, &owners) {
            Err(Error::ReadOnlyDisk { .. }) => return Self::open_read_only(options),
            unlocked => unlocked?,
        };
        let path = unlocked.options.data_dir.join(FILE);
        Self::new(Opened {
            placement: Placement::of(&path)?,
            reading: sqlite::open_reader(&path)?,
            writing: unlocked.connection,
            id: unlocked.id,
            cipher: unlocked.cipher,
            options: unlocked.options,
            lock: unlocked.lock,
        })
    }

    fn new(opened: Opened) -> Result<Self, Error> {
        let data_dir = opened.options.data_dir;
        let trouble = Arc::<Health>::default();
        let placement = Arc::new(opened.placement);
        trouble.note_place(placement.check());
        let ballast = Arc::new(Ballast::new(&data_dir));
        let surroundings = Surroundings {
            trouble: Arc::clone(&trouble),
            placement: Arc::clone(&placement),
            ballast: Arc::clone(&ballast),
        };
        let path = data_dir.join(FILE);
        Ok(Self(Arc::new(Inner {
            id: opened.id,
            writer: Writer::start(opened.writing, surroundings)?,
            readers: Readers::new(opened.reading, path, Arc::clone(&placement)),
            cipher: Arc::new(opened.cipher),
            usage: Arc::default(),
            unreadable: Arc::default(),
            surveyed: Surveyed::default(),
            max_events: opened.options.max_events,
            trouble,
            ballast,
            placement,
            data_dir,
            next_backup: Mutex::default(),
            lock: opened.lock,
        })))
    }

    /// Whether the disk was read-only when the vault was opened: nothing can be
    /// stored until the next start.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.0.placement.is_read_only()
    }

    /// Reads, in one look at one state of the vault where `work` is one
    /// statement. Takes some ten microseconds and does not wait for writes.
    ///
    /// # Errors
    /// Those of `work`, and [`Error::Unwritable`] if the file cannot be opened.
    pub fn read<T>(&self, work: impl FnOnce(&View<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let Inner {
            readers,
            cipher,
            usage,
            unreadable,
            ..
        } = &*self.0;
        readers.read(|connection| {
            work(&View {
                connection,
                cipher,
                usage,
                unreadable,
            })
        })
    }

    /// As [`Self::write_for`], for the daemon itself.
    ///
    /// # Errors
    /// As [`Self::write_for`].
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Change<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.make(None, work).await
    }

    /// Writes in one durable transaction. It runs to its end even if the
    /// caller stops waiting. The changes of owners who have many waiting are made
    /// in turn.
    ///
    /// # Errors
    /// Those of `work`, which undo all of it, and [`Error::Unwritable`] if it
    /// cannot be committed.
    pub async fn write_for<T: Send + 'static>(
        &self,
        owner: Owner,
        work: impl FnOnce(&Change<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.make(Some(owner), work).await
    }

    async fn make<T: Send + 'static>(
        &self,
        owner: Option<Owner>,
        work: impl FnOnce(&Change<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let context = self.0.context();
        let work = move |connection: &Connection| context.run(connection, work);
        let work = Work::Once(Some(Box::new(work)));
        self.0.writer.run(owner, work).await
    }

    /// As [`Self::write_for`], for what a provider has answered and cannot be asked
    /// for again: goes before the changes that wait, and is made by itself
    /// where those that it shared a transaction with cannot be stored.
    ///
    /// # Errors
    /// As [`Self::write_for`].
    pub async fn save<T: Send + 'static>(
        &self,
        owner: Owner,
        work: impl Fn(&Change<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let context = self.0.context();
        let work = move |connection: &Connection| context.run(connection, &work);
        let work = Work::Save(Box::new(work));
        self.0.writer.run(Some(owner), work).await
    }

    /// Tells a daemon that finds the vault held that this one stops, and is
    /// worth waiting for.
    pub fn announce_stop(&self) {
        self.0.lock.announce_stop();
    }

    /// Notes that a token was handed out, without waiting for the disk.
    pub fn mark_used(&self, id: TokenId, now: Timestamp) {
        self.0.usage.mark(id, now);
    }

    /// Writes down when tokens were last handed out.
    ///
    /// # Errors
    /// [`Error::Unwritable`]; what was not written stays noted.
    pub async fn flush_usage(&self) -> Result<(), Error> {
        let uses = self.0.usage.all();
        if uses.is_empty() {
            return Ok(());
        }
        let uses = self
            .write(move |change| change.write_usage(&uses).map(|()| uses))
            .await?;
        self.0.usage.forget(&uses);
        Ok(())
    }

    /// An owner's name to the outside: stable for this vault, and different
    /// in another.
    #[must_use]
    pub fn organization_id(&self, owner: Owner) -> OrganizationId {
        let mut digest = Sha256::new();
        digest.update(self.0.id.as_bytes());
        digest.update(owner.uid().to_be_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest.finalize()[..16]);
        // RFC 9562, section 5.8: a UUID of our own making.
        OrganizationId::new(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}
