//! The key as a credential of the service manager. systemd decrypts it, with
//! the machine's TPM if there is one, and gives it to this service only
//! (systemd.exec(5), `LoadCredentialEncrypted=vault-key`).
//!
//! A credential can only be read. The environment contains the folder's path,
//! never the key.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{Error, KeyRing, KeyStore, Store, file, unusable};

/// The credential's name.
const NAME: &str = "vault-key";

/// Why a credential is not written here, and what to do.
const READ_ONLY: &str = "a credential can only be read; write the new one with `systemd-creds encrypt --name=vault-key` and restart the service";

/// The credential.
#[derive(Debug)]
pub(super) struct Credential {
    path: PathBuf,
}

impl Credential {
    /// The credential, if the service manager provides one.
    pub(super) fn given() -> Option<Self> {
        let path = path()?;
        path.exists().then_some(Self { path })
    }

    /// The credential that the settings require.
    ///
    /// # Errors
    /// [`Error::KeyUnusable`] if the service manager provides none.
    pub(super) fn expected() -> Result<Self, Error> {
        path().map(|path| Self { path }).ok_or_else(|| {
            let why = "CREDENTIALS_DIRECTORY is not set: this process was not started by systemd with LoadCredential=";
            unusable("systemd's credential vault-key", why)
        })
    }

    fn refuse<T>(&self, why: impl ToString) -> Result<T, Error> {
        Err(unusable(&self.place(), why))
    }
}

impl Store for Credential {
    fn kind(&self) -> KeyStore {
        KeyStore::Credential
    }

    fn place(&self) -> String {
        format!("systemd's credential {}", self.path.display())
    }

    fn load(&self) -> Result<Option<KeyRing>, Error> {
        let file = match file::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return self.refuse(error),
        };
        // systemd gives access to the service's user by an access control list,
        // which shows as the group's bits; so only the bits of other users are
        // checked.
        match file.metadata() {
            Ok(metadata) if metadata.mode() & 0o007 != 0 => self.refuse("every user can read it"),
            Ok(_) => file::read(file, &self.place()).map(Some),
            Err(error) => self.refuse(error),
        }
    }

    fn create(&self, _: &KeyRing) -> Result<(), Error> {
        self.refuse(READ_ONLY)
    }

    fn replace(&self, _: &KeyRing) -> Result<(), Error> {
        self.refuse(READ_ONLY)
    }

    fn remove(&self) -> Result<(), Error> {
        self.refuse(READ_ONLY)
    }
}

fn path() -> Option<PathBuf> {
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY")?;
    let folder = Path::new(&folder);
    folder.is_absolute().then(|| folder.join(NAME))
}
