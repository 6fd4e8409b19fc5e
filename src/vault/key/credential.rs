//! The key as a credential of the service manager: systemd decrypts it, with
//! the machine's TPM where there is one, and shows it to this service alone
//! (systemd.exec(5), `LoadCredentialEncrypted=vault-key`).
//!
//! It can only be read. The environment names the folder; the key itself never
//! lies in the environment.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{Error, KeyRing, KeyStore, Store, file, unusable};

/// The credential's name.
const NAME: &str = "vault-key";

/// Why nothing is written here, and what to do instead.
const READ_ONLY: &str = "a credential can only be read; write the new one with `systemd-creds encrypt --name=vault-key` and restart the service";

/// The credential.
#[derive(Debug)]
pub(super) struct Credential {
    path: PathBuf,
}

impl Credential {
    /// The credential, if the service manager has given one.
    pub(super) fn given() -> Option<Self> {
        let path = path()?;
        path.exists().then_some(Self { path })
    }

    /// The credential that the settings say there is.
    ///
    /// # Errors
    /// [`Error::KeyUnusable`] if no service manager started this process.
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
        // systemd lets the service's user in by an access list, which shows as
        // the group's bits: only those of everybody else tell something.
        match file.metadata() {
            Ok(metadata) if metadata.mode() & 0o007 != 0 => self.refuse("everybody can read it"),
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
