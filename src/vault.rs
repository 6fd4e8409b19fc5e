//! The vault: an SQLite file with sealed secrets. All stored state of the daemon
//! is here.
//!
//! The vault does not depend on OAuth or HTTP, and its public signatures contain
//! no type of SQLite. [`Vault::read`] reads through a [`View`]. [`Vault::write`]
//! writes through a [`Change`], which is one durable transaction: when the call
//! returns, either all of it is on the disk or none of it is.

mod attempts;
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
mod reserved_space;
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
mod view;
mod writer;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

pub use self::connections::Permission;
pub use self::consent_tokens::Offer;
pub use self::error::Error;
pub use self::flows::StoredFlow;
pub use self::key_store::KeyStore;
pub use self::pages::{Cursor, Page};
pub use self::remedy::Remedy;
pub use self::reserved_space::SpaceReservation;
pub use self::revocations::Revocation;
pub use self::tokens::{Group, Secrets, Stored};
pub use self::view::{Change, View};

use self::cipher::Cipher;
use self::health::Health;
use self::lock::DataLock;
use self::opening::Unlocked;
use self::placement::Placement;
use self::readers::Readers;
use self::reserved_space::ReservedSpace;
use self::rows::Unreadable;
use self::survey::Surveyed;
use self::usage::Usage;
use self::view::Context;
use self::writer::{Surroundings, Work, Writer};
use crate::clock::{Env, Timestamp};
use crate::identity::{OrganizationId, Owner, TokenId};
use crate::trusted::Owners;

/// The vault's file in the data folder.
const FILE: &str = "vault.db";

/// Where the vault is and how much it keeps.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of the vault. It is created with mode 0700 if it is missing.
    pub data_dir: PathBuf,
    /// Which place keeps the key.
    pub key_store: KeyStore,
    /// The key file, in another folder. It is created if it is missing. Used only
    /// where `key_store` is, or stands for, [`KeyStore::File`].
    pub key_file: PathBuf,
    /// How many events are kept per owner.
    pub max_events: u32,
}

/// An open vault. Clones share it.
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
    health: Arc<Health>,
    reserved_space: Arc<ReservedSpace>,
    placement: Arc<Placement>,
    /// The vault's own folder.
    data_dir: PathBuf,
    /// When a backup may be tried again after one that failed.
    next_backup: Mutex<Option<Timestamp>>,
    /// The last field, so that it is released after the writer has ended.
    lock: DataLock,
}

/// The parts that an open vault is made of.
struct Opened {
    id: Uuid,
    cipher: Cipher,
    /// With the resolved path of [`Options::data_dir`].
    options: Options,
    lock: DataLock,
    placement: Placement,
    writing: Connection,
    reading: Connection,
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

impl Vault {
    /// Opens the vault. Creates the vault and its key if they are missing. On a
    /// read-only disk, opens a copy in memory, which refuses every change.
    ///
    /// # Errors
    /// Every variant of [`Error`] except those about rows.
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
        let health = Arc::<Health>::default();
        let placement = Arc::new(opened.placement);
        health.note_place(placement.check());
        let reserved_space = Arc::new(ReservedSpace::new(&data_dir));
        let surroundings = Surroundings {
            health: Arc::clone(&health),
            placement: Arc::clone(&placement),
            reserved_space: Arc::clone(&reserved_space),
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
            health,
            reserved_space,
            placement,
            data_dir,
            next_backup: Mutex::default(),
            lock: opened.lock,
        })))
    }

    /// Whether the disk was read-only when the vault was opened. If so, nothing
    /// can be stored until the next start.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.0.placement.is_read_only()
    }

    /// Runs `work`, which reads from the vault. Each statement sees one state of
    /// the vault; two statements may see different ones. A read takes about ten
    /// microseconds and does not wait for writes.
    ///
    /// # Errors
    /// Those of `work`; [`Error::Unwritable`] if the file cannot be opened.
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

    /// As [`Self::write_for`], for a change by the daemon itself.
    ///
    /// # Errors
    /// As [`Self::write_for`].
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Change<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.run_change(None, work).await
    }

    /// Runs `work` in one durable transaction. The transaction runs to its end
    /// even if the caller stops waiting. Owners with many waiting changes take
    /// turns.
    ///
    /// # Errors
    /// Those of `work`, after which nothing of it is stored;
    /// [`Error::Unwritable`] if the transaction cannot be committed.
    pub async fn write_for<T: Send + 'static>(
        &self,
        owner: Owner,
        work: impl FnOnce(&Change<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.run_change(Some(owner), work).await
    }

    async fn run_change<T: Send + 'static>(
        &self,
        owner: Option<Owner>,
        work: impl FnOnce(&Change<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let context = self.0.context();
        let work = move |connection: &Connection| context.run(connection, work);
        let work = Work::Once(Some(Box::new(work)));
        self.0.writer.run(owner, work).await
    }

    /// As [`Self::write_for`], for an answer of a provider, which cannot be
    /// requested again. It is stored before the changes that are waiting. If the
    /// changes that share its transaction cannot be stored, it is stored alone.
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

    /// Writes into the lock file that this daemon is stopping, so that a daemon
    /// that starts waits for the lock.
    pub fn announce_stop(&self) {
        self.0.lock.announce_stop();
    }

    /// Records in memory that a token was issued at `now`.
    pub fn mark_used(&self, id: TokenId, now: Timestamp) {
        self.0.usage.mark(id, now);
    }

    /// Stores when tokens were last issued, as recorded by [`Self::mark_used`].
    ///
    /// # Errors
    /// [`Error::Unwritable`]; the records then stay in memory.
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

    /// The public identifier of an owner. It is stable within this vault and
    /// differs from the owner's identifier in any other vault.
    #[must_use]
    pub fn organization_id(&self, owner: Owner) -> OrganizationId {
        let mut digest = Sha256::new();
        digest.update(self.0.id.as_bytes());
        digest.update(owner.uid().to_be_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest.finalize()[..16]);
        // A UUID of version 8 (RFC 9562, section 5.8).
        OrganizationId::new(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}
