//! The vault: an SQLite file whose secrets are sealed, and the only place that
//! remembers anything.
//!
//! It knows nothing of OAuth or HTTP, and no type of SQLite leaves it. Reading
//! goes through [`Vault::read`] with a [`View`], writing through
//! [`Vault::write`] with a [`Change`], which is one durable transaction: all of
//! it is on the disk before the call returns, or none of it ever is.

mod attempts;
mod cipher;
mod columns;
mod connection;
mod connections;
mod events;
mod flows;
mod key;
mod lock;
mod providers;
mod readers;
mod schema;
mod tokens;
mod usage;
mod writer;

use std::cell::Cell;
use std::fs::{self, DirBuilder};
use std::ops::Deref;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rusqlite::{Connection, ErrorCode, OptionalExtension as _};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

pub use self::attempts::Attempt;
pub use self::flows::StoredFlow;
pub use self::tokens::{Secrets, Stored};

use self::cipher::Cipher;
use self::lock::DataLock;
use self::readers::Readers;
use self::usage::Usage;
use self::writer::Writer;
use crate::clock::{Ambient, Timestamp};
use crate::identity::{OrganizationId, Owner, TokenId};

/// The vault's file in the data folder.
const FILE: &str = "vault.db";

/// What can go wrong with the vault.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such row, or no longer.
    #[error("there is no such row")]
    NotFound,
    /// There is one of that name already.
    #[error("there is one of that name already")]
    AlreadyExists,
    /// The store cannot take a change now; what it holds can still be read.
    #[error("the vault cannot be written: {why}")]
    Unwritable {
        /// The system's words.
        why: String,
    },
    /// A value or the file itself is damaged.
    #[error("the vault is damaged: {what}")]
    Corrupt {
        /// Which part.
        what: String,
    },
    /// The file cannot be opened.
    #[error("{} cannot be opened: {why}", path.display())]
    Open {
        /// The file or folder.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
    /// Another daemon holds the data folder.
    #[error(
        "another agent-authd{} holds the data in {}; stop it first, or name another folder with --data-dir",
        pid.map(|pid| format!(" (process {pid})")).unwrap_or_default(), folder.display()
    )]
    Held {
        /// The folder.
        folder: PathBuf,
        /// The process that holds it, if it said so.
        pid: Option<u32>,
    },
    /// A newer daemon wrote the file.
    #[error(
        "the vault was written by a newer agent-authd (its schema is {found}, this one knows {known}); install that version again"
    )]
    NewerSchema {
        /// The file's version.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// The key file is there and cannot be used.
    #[error("the key file {} cannot be used: {why}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The vault has sealed rows and the key file is gone.
    #[error("the key of this vault is missing: {} does not exist; put the file back from your backup (a new key would open nothing)", path.display())]
    KeyMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The key is one, but not this vault's.
    #[error("the key in {} is not the key of this vault; put back the file that belongs to it", path.display())]
    WrongKey {
        /// The key file.
        path: PathBuf,
    },
    /// The key is not a Fernet key.
    #[error("the key is not a Fernet key: 32 bytes as 44 characters of URL-safe base64")]
    MalformedKey,
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) | None => Self::Corrupt {
                what: error.to_string(),
            },
            Some(_) => Self::Unwritable {
                why: error.to_string(),
            },
        }
    }
}

/// Where the vault is and how much it keeps.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of the vault, made at mode 0700 where it is missing.
    pub data_dir: PathBuf,
    /// The key file, in another folder, made where it is missing.
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
    max_events: u32,
    /// Why the last change could not be written, until one can.
    trouble: Arc<Mutex<Option<String>>>,
    /// Let go last, when the writer has ended.
    _lock: DataLock,
}

/// What a read sees.
pub struct View<'a> {
    connection: &'a Connection,
    cipher: &'a Cipher,
    usage: &'a Usage,
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

impl Change<'_> {
    /// Says that the change overwrites or deletes a secret, so that its old
    /// ciphertext must not stay in the write-ahead log.
    fn erase_after_commit(&self) {
        self.erases.set(true);
    }
}

impl Vault {
    /// Opens the vault, making it and its key where there is none.
    ///
    /// # Errors
    /// Every variant of [`Error`] but the ones about rows; each says what to do.
    pub fn open(options: &Options, ambient: &Ambient) -> Result<Self, Error> {
        let data_dir = private_folder(&options.data_dir)?;
        refuse_key_beside_vault(&data_dir, &options.key_file)?;
        let lock = DataLock::take(&data_dir)?;
        let path = data_dir.join(FILE);
        let mut connection =
            connection::open_writer(&path).map_err(|error| name_file(error, &path))?;
        if schema::is_outdated(&connection)? {
            schema::migrate(&mut connection)?;
        }
        let id = vault_id(&connection, ambient)?;
        let cipher = Arc::new(unlock(&connection, id, options, ambient)?);
        writer::checkpoint(&connection)?;
        Ok(Self(Arc::new(Inner {
            id,
            writer: Writer::start(connection)?,
            readers: Readers::new(path),
            cipher,
            usage: Arc::default(),
            max_events: options.max_events,
            trouble: Arc::default(),
            _lock: lock,
        })))
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
            ..
        } = &*self.0;
        readers.read(|connection| {
            work(&View {
                connection,
                cipher,
                usage,
            })
        })
    }

    /// Writes in one durable transaction. It runs to its end even if the
    /// caller stops waiting.
    ///
    /// # Errors
    /// Those of `work`, which undo all of it, and [`Error::Unwritable`] if it
    /// cannot be committed.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Change<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (cipher, usage) = (Arc::clone(&self.0.cipher), Arc::clone(&self.0.usage));
        let (trouble, max_events) = (Arc::clone(&self.0.trouble), self.0.max_events);
        let job = move |connection: &mut Connection| {
            let mut erases = false;
            let result = writer::transact(connection, |connection| {
                let view = View {
                    connection,
                    cipher: &cipher,
                    usage: &usage,
                };
                let change = Change {
                    view,
                    max_events,
                    erases: Cell::new(false),
                };
                let value = work(&change)?;
                erases = change.erases.get();
                Ok(value)
            });
            note_trouble(&trouble, &result);
            if erases
                && result.is_ok()
                && let Err(error) = writer::checkpoint(connection)
            {
                // The change is durable; the next one that erases tries again.
                tracing::warn!(error = %error, "old ciphertext is still in the write-ahead log");
            }
            result
        };
        self.0.writer.run(job).await
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

    /// Why the vault cannot be written now; `None` while it can.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.0.trouble.lock().ok()?.clone()
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

fn note_trouble<T>(trouble: &Mutex<Option<String>>, result: &Result<T, Error>) {
    let Ok(mut trouble) = trouble.lock() else {
        return;
    };
    match result {
        Ok(_) => *trouble = None,
        Err(Error::Unwritable { why }) => *trouble = Some(why.clone()),
        // The store is well; what was asked of it could not be done.
        Err(_) => {}
    }
}

/// Makes the folder if it is missing, private, and gives its real path: the
/// vault's own file may be no link, but a folder above it may. A folder that
/// was there keeps its mode, unless others could put files into it.
fn private_folder(folder: &Path) -> Result<PathBuf, Error> {
    let refuse = |why: String| Error::Open {
        path: folder.to_owned(),
        why,
    };
    let open = |error: std::io::Error| refuse(error.to_string());
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(open)?;
    let mode = fs::metadata(folder).map_err(open)?.permissions().mode() & 0o777;
    if mode & 0o022 != 0 {
        return Err(refuse(format!(
            "others can write into it (mode {mode:03o}); run: chmod 700 {}",
            folder.display()
        )));
    }
    folder.canonicalize().map_err(open)
}

fn refuse_key_beside_vault(data_dir: &Path, key_file: &Path) -> Result<(), Error> {
    let folder = key_file
        .parent()
        .and_then(|folder| folder.canonicalize().ok());
    if folder.as_deref() != Some(data_dir) {
        return Ok(());
    }
    let why = "it lies in the vault's own folder, so that whoever copies one has both; name another place with --key-file";
    Err(Error::KeyFile {
        path: key_file.to_owned(),
        why: why.to_owned(),
    })
}

fn name_file(error: Error, path: &Path) -> Error {
    match error {
        Error::Unwritable { why } => Error::Open {
            path: path.to_owned(),
            why,
        },
        Error::Corrupt { what } => Error::Corrupt {
            what: format!(
                "{}: {what}; the file was left as it is, restore a backup over it",
                path.display()
            ),
        },
        other => other,
    }
}

fn vault_id(connection: &Connection, ambient: &Ambient) -> Result<Uuid, Error> {
    connection.execute(
        "INSERT INTO vault (only_row, id, created_at) VALUES (1, ?1, ?2) ON CONFLICT DO NOTHING",
        (ambient.uuid().to_string(), ambient.now()),
    )?;
    let id: String = connection.query_row("SELECT id FROM vault", [], |row| row.get(0))?;
    Uuid::try_parse(&id).map_err(|_| Error::Corrupt {
        what: "the vault's own identifier".to_owned(),
    })
}

/// Finds the key that the vault's rows were sealed with; makes one only for a
/// vault that has none.
fn unlock(
    connection: &Connection,
    id: Uuid,
    options: &Options,
    ambient: &Ambient,
) -> Result<Cipher, Error> {
    let path = &options.key_file;
    let row: Option<(String, String)> = connection
        .query_row("SELECT key_id, check_value FROM keys", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let key = key::load(path)?;
    let Some((key_id, check_value)) = row else {
        let key = key.map_or_else(|| key::create(path, ambient), Ok)?;
        let cipher = Cipher::new(id, &key)?;
        connection.execute(
            "INSERT INTO keys (key_id, check_value, created_at) VALUES (?1, ?2, ?3)",
            (
                &cipher.key_id().0,
                cipher.check_value(ambient.now()),
                ambient.now(),
            ),
        )?;
        return Ok(cipher);
    };
    let key = key.ok_or_else(|| Error::KeyMissing { path: path.clone() })?;
    let cipher = Cipher::new(id, &key)?;
    if cipher.key_id().0 != key_id {
        return Err(Error::WrongKey { path: path.clone() });
    }
    if !cipher.verifies(&check_value) {
        return Err(Error::Corrupt {
            what: "the row that proves the key".to_owned(),
        });
    }
    Ok(cipher)
}
