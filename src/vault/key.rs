//! The vault's key, and the places that can store it.
//!
//! A copied or stolen vault is useless without its key, so the key is never
//! stored with it. A new key is never created while rows are sealed with
//! another one. The key is never read from the environment or a flag. An
//! unreachable place is an error, not a reason to use a weaker one.
//!
//! A place stores a ring: the primary key and, during a rotation, the previous
//! key, one per line.

mod credential;
mod file;
#[cfg(target_os = "macos")]
mod keychain;
#[cfg(feature = "secret-service")]
mod secret_service;

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use zeroize::Zeroizing;

pub(super) use self::file::sync_folder;

use super::{Error, KeyStore, Options};
use crate::clock::Env;
use crate::secret::{ExposeSecret as _, VaultKey};

/// A ring has 45 bytes per key. A longer text is not a ring.
const MAX_BYTES: u64 = 1024;

/// The length of a key as text: 32 bytes in URL-safe base64.
const KEY_LENGTH: usize = 44;

/// The key's name in a place that other programs use, too.
#[cfg(any(target_os = "macos", feature = "secret-service"))]
const SERVICE: &str = "agent-authd";

/// A place that stores the key.
pub(super) trait Store {
    /// Its name in the settings.
    fn kind(&self) -> KeyStore;

    /// The place in a person's words.
    fn place(&self) -> String;

    /// Reads the ring; `None` if the place has none.
    ///
    /// # Errors
    /// [`Error::KeyUnusable`] if the place cannot be reached, or its content is
    /// not a ring.
    fn load(&self) -> Result<Option<KeyRing>, Error>;

    /// Stores a ring durably in a place that has none.
    ///
    /// # Errors
    /// [`Error::KeyUnusable`] if the place has one, or the ring cannot be
    /// stored.
    fn create(&self, ring: &KeyRing) -> Result<(), Error>;

    /// Replaces the ring durably and atomically.
    ///
    /// # Errors
    /// [`Error::KeyUnusable`] if the ring cannot be stored.
    fn replace(&self, ring: &KeyRing) -> Result<(), Error>;

    /// Deletes the ring.
    ///
    /// # Errors
    /// [`Error::KeyUnusable`] if it cannot be deleted.
    fn remove(&self) -> Result<(), Error>;
}

/// The place that the settings name.
///
/// # Errors
/// [`Error::KeyUnusable`] if this machine or this build does not have that
/// place.
pub(super) fn store(options: &Options) -> Result<Box<dyn Store>, Error> {
    match options.key_store {
        KeyStore::Auto => {
            if let Some(credential) = credential::Credential::given() {
                return Ok(Box::new(credential));
            }
            if cfg!(target_os = "macos") {
                return keychain(&options.data_dir);
            }
            file(options)
        }
        KeyStore::Credential => Ok(Box::new(credential::Credential::expected()?)),
        KeyStore::Keychain => keychain(&options.data_dir),
        KeyStore::File => file(options),
        KeyStore::SecretService => secret_service(&options.data_dir),
    }
}

fn file(options: &Options) -> Result<Box<dyn Store>, Error> {
    file::KeyFile::beside(&options.data_dir, &options.key_file)
        .map(|file| Box::new(file) as Box<dyn Store>)
}

#[cfg(target_os = "macos")]
fn keychain(data_dir: &Path) -> Result<Box<dyn Store>, Error> {
    Ok(Box::new(keychain::Keychain::of(data_dir)))
}

#[cfg(not(target_os = "macos"))]
fn keychain(_: &Path) -> Result<Box<dyn Store>, Error> {
    Err(unusable("the macOS Keychain", "this machine has none"))
}

#[cfg(feature = "secret-service")]
fn secret_service(data_dir: &Path) -> Result<Box<dyn Store>, Error> {
    Ok(Box::new(secret_service::SecretService::of(data_dir)))
}

#[cfg(not(feature = "secret-service"))]
fn secret_service(_: &Path) -> Result<Box<dyn Store>, Error> {
    Err(unusable(
        "the Secret Service",
        "this agent-authd was built without it (the Cargo feature secret-service)",
    ))
}

fn unusable(place: &str, why: impl ToString) -> Error {
    Error::KeyUnusable {
        place: place.to_owned(),
        why: why.to_string(),
    }
}

/// One or more keys, the primary key first.
#[derive(Clone, Debug)]
pub(super) struct KeyRing(Vec<VaultKey>);

impl KeyRing {
    /// Parses a ring's text. `place` is for the error.
    ///
    /// # Errors
    /// [`Error::KeyUnusable`] if a line is not a Fernet key, or there is no
    /// line.
    pub(super) fn parse(text: &str, place: &str) -> Result<Self, Error> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let keys: Option<Vec<VaultKey>> = lines.map(key).collect();
        keys.filter(|keys| !keys.is_empty())
            .map(Self)
            .ok_or_else(|| {
                let why = "it is not a Fernet key: 32 bytes as 44 characters of URL-safe base64";
                unusable(place, why)
            })
    }

    /// A ring of one new key.
    pub(super) fn generate(env: &Env) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        env.entropy.fill(bytes.as_mut());
        let text = Zeroizing::new(URL_SAFE.encode(bytes.as_ref()));
        Self(vec![VaultKey::new(text)])
    }

    /// `newer` as the primary key, then the primary key of the ring so far.
    pub(super) fn followed_by(newer: Self, older: &Self) -> Self {
        Self([&newer.0[..1], &older.0[..1]].concat())
    }

    /// A ring of the primary key alone.
    pub(super) fn newest(&self) -> Self {
        Self(self.0[..1].to_vec())
    }

    /// The keys, the primary key first.
    pub(super) fn keys(&self) -> &[VaultKey] {
        &self.0
    }

    /// The ring as text, one key per line.
    #[expect(
        clippy::disallowed_methods,
        reason = "the ring is written to the place that keeps it"
    )]
    fn to_text(&self) -> Zeroizing<String> {
        // With the full capacity from the start: growing the buffer would leave
        // copies in memory.
        let mut text = Zeroizing::new(String::with_capacity(self.0.len() * (KEY_LENGTH + 1)));
        for key in &self.0 {
            text.push_str(key.expose_secret());
            text.push('\n');
        }
        text
    }
}

/// Parses a line as a key.
fn key(line: &str) -> Option<VaultKey> {
    let mut bytes = Zeroizing::new([0; 33]);
    let length = URL_SAFE.decode_slice(line, bytes.as_mut()).ok()?;
    (length == 32).then(|| VaultKey::new(Zeroizing::new(line.to_owned())))
}

/// Creates a key and stores it. The key is read back before anything is sealed
/// with it: a row without its key is lost.
///
/// # Errors
/// [`Error::KeyUnusable`] if the place does not store it.
pub(super) fn create(store: &dyn Store, env: &Env) -> Result<KeyRing, Error> {
    let ring = KeyRing::generate(env);
    store.create(&ring)?;
    verify_stored(store, &ring)?;
    Ok(ring)
}

/// Checks that the place returns the ring that was stored.
///
/// # Errors
/// [`Error::KeyUnusable`] if it does not.
pub(super) fn verify_stored(store: &dyn Store, ring: &KeyRing) -> Result<(), Error> {
    let kept = store.load()?.map(|kept| kept.to_text());
    if kept.is_some_and(|kept| kept == ring.to_text()) {
        return Ok(());
    }
    let why = "it did not return the key that was stored";
    Err(unusable(&store.place(), why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_read_as_it_is_written() {
        let (old, new) = (
            KeyRing::generate(&Env::system()),
            KeyRing::generate(&Env::system()),
        );
        let both = KeyRing::followed_by(new.clone(), &old);
        let read = KeyRing::parse(&both.to_text(), "here").unwrap();
        assert_eq!(read.keys().len(), 2);
        assert_eq!(*read.to_text(), *both.to_text());
        assert_eq!(*read.newest().to_text(), *new.to_text());
    }

    #[test]
    fn a_text_that_is_not_a_key_is_refused_with_its_place() {
        let short = URL_SAFE.encode([0; 31]);
        let long = URL_SAFE.encode([0; 33]);
        for text in ["", "\n", "secret", &short, &long] {
            let error = KeyRing::parse(text, "/k/vault.key")
                .unwrap_err()
                .to_string();
            assert!(error.contains("/k/vault.key"), "{error}");
        }
    }
}
