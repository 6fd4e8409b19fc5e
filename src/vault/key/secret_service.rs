//! The key in the desktop's Secret Service (GNOME Keyring, KWallet), in an item
//! that is found by the vault's folder.
//!
//! The service may be absent, locked, or waiting for an answer to a prompt. So
//! every call has a timeout, and no call unlocks the service.

use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use secret_service::EncryptionType;
use secret_service::blocking::{Item, SecretService as Service};
use zeroize::Zeroizing;

use super::{Error, KeyRing, KeyStore, SERVICE, Store, unusable};

/// The timeout of a call. A working service answers within milliseconds.
const LIMIT: Duration = Duration::from_secs(3);

const PLACE: &str = "the Secret Service";

/// The service's item.
#[derive(Debug)]
pub(super) struct SecretService {
    /// Distinguishes the keys of different vaults.
    vault: String,
}

impl SecretService {
    /// The item for the vault in `data_dir`.
    pub(super) fn of(data_dir: &Path) -> Self {
        Self {
            vault: data_dir.display().to_string(),
        }
    }

    /// Calls the service on a separate thread, which is abandoned after the
    /// timeout.
    fn ask<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Service<'_>, &Attributes<'_>) -> Result<T, secret_service::Error>
        + Send
        + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = mpsc::channel();
        let vault = self.vault.clone();
        let asked = thread::Builder::new()
            .name("secret-service".to_owned())
            .spawn(move || {
                let attributes = HashMap::from([("service", SERVICE), ("vault", vault.as_str())]);
                // The session is encrypted, so the key is not readable on the
                // bus.
                let called = Service::connect(EncryptionType::Dh)
                    .and_then(|service| call(&service, &attributes));
                // After the timeout the receiver is closed.
                let _ = answer.send(called);
            });
        asked.map_err(|error| unusable(PLACE, error))?;
        match answered.recv_timeout(LIMIT) {
            Ok(called) => called.map_err(|error| unusable(PLACE, words(&error))),
            Err(_) => Err(unusable(
                PLACE,
                "it did not answer within 3 s; is it waiting for a password?",
            )),
        }
    }

    fn keep(&self, ring: &KeyRing, replace: bool) -> Result<(), Error> {
        let text = ring.to_text();
        self.ask(move |service, attributes| {
            let collection = service.get_default_collection()?;
            collection.ensure_unlocked()?;
            collection.create_item(
                "Key of agent-authd's vault",
                attributes.clone(),
                text.as_bytes(),
                replace,
                "text/plain",
            )?;
            Ok(())
        })
    }
}

type Attributes<'a> = HashMap<&'a str, &'a str>;

impl Store for SecretService {
    fn kind(&self) -> KeyStore {
        KeyStore::SecretService
    }

    fn place(&self) -> String {
        format!("{PLACE} (vault {})", self.vault)
    }

    fn load(&self) -> Result<Option<KeyRing>, Error> {
        let text = self.ask(|service, attributes| {
            find(service, attributes, |item| {
                item.ensure_unlocked()?;
                item.get_secret().map(Zeroizing::new)
            })
        })?;
        let parse = |bytes: Zeroizing<Vec<u8>>| {
            KeyRing::parse(
                std::str::from_utf8(&bytes).unwrap_or_default(),
                &self.place(),
            )
        };
        text.map(parse).transpose()
    }

    fn create(&self, ring: &KeyRing) -> Result<(), Error> {
        if self.load()?.is_some() {
            return Err(unusable(&self.place(), "it has a key already"));
        }
        self.keep(ring, false)
    }

    fn replace(&self, ring: &KeyRing) -> Result<(), Error> {
        self.keep(ring, true)
    }

    fn remove(&self) -> Result<(), Error> {
        self.ask(|service, attributes| find(service, attributes, |item| item.delete()))
            .map(|_| ())
    }
}

/// Uses the item, if there is one. A locked item is an error, not an absence.
fn find<T>(
    service: &Service<'_>,
    attributes: &Attributes<'_>,
    with: impl FnOnce(&Item<'_>) -> Result<T, secret_service::Error>,
) -> Result<Option<T>, secret_service::Error> {
    let found = service.search_items(attributes.clone())?;
    if let Some(item) = found.unlocked.first() {
        return with(item).map(Some);
    }
    if found.locked.is_empty() {
        // A search may not return an item of a locked collection.
        service.get_default_collection()?.ensure_unlocked()?;
        return Ok(None);
    }
    Err(secret_service::Error::Locked)
}

fn words(error: &secret_service::Error) -> String {
    match error {
        secret_service::Error::Locked => "it is locked; unlock the keyring, then try again".into(),
        secret_service::Error::Unavailable => {
            "it is not running, or this session has no bus".into()
        }
        other => other.to_string(),
    }
}
