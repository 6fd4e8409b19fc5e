//! The key with the desktop's Secret Service (GNOME Keyring, KWallet), as an
//! item that is found by the vault's folder.
//!
//! The service may be absent, locked, or waiting for somebody to look at a
//! prompt, so every call has a limit, and none is made to unlock it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use secret_service::EncryptionType;
use secret_service::blocking::{Item, SecretService as Service};
use zeroize::Zeroizing;

use super::{Error, KeyRing, KeyStore, SERVICE, Store, unusable};

/// How long the service has to answer. One that is well takes milliseconds.
const LIMIT: Duration = Duration::from_secs(3);

const PLACE: &str = "the Secret Service";

/// The service's item.
#[derive(Debug)]
pub(super) struct SecretService {
    /// Tells the keys of different vaults apart.
    vault: String,
}

impl SecretService {
    /// The item for the vault in `data_dir`.
    pub(super) fn of(data_dir: &Path) -> Self {
        Self {
            vault: data_dir.display().to_string(),
        }
    }

    /// Calls the service in a thread of its own, which is left behind if it
    /// does not answer.
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
                // The session's own encryption keeps the key off the bus.
                let called = Service::connect(EncryptionType::Dh)
                    .and_then(|service| call(&service, &attributes));
                // Nobody waits any more where the limit has passed.
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
            return Err(unusable(&self.place(), "there is one already"));
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

/// Does something with the item, if there is one; one that is locked is an
/// error, not an absence.
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
        // An item in a locked collection may not even be found.
        service.get_default_collection()?.ensure_unlocked()?;
        return Ok(None);
    }
    Err(secret_service::Error::Locked)
}

fn words(error: &secret_service::Error) -> String {
    match error {
        secret_service::Error::Locked => "it is locked; unlock the keyring, then try again".into(),
        secret_service::Error::Unavailable => {
            "it is not running, or there is no session bus".into()
        }
        other => other.to_string(),
    }
}
