//! Whether an owner has room for something new, asked in the change that makes
//! it, so that two at once cannot both take the last place.

use super::context::Context;
use crate::clock::Timestamp;
use crate::identity::Owner;
use crate::quota::{Limits, New};
use crate::vault::{self, View};

/// The limits, and the time by which flows under way are counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    limits: Limits,
    now: Timestamp,
}

impl Context {
    /// What asks whether an owner has room, with the limits and the present time.
    pub(super) fn room(&self) -> Room {
        Room {
            limits: self.settings.limits,
            now: self.env.now(),
        }
    }
}

impl Room {
    /// Whether an owner may begin `new`.
    ///
    /// # Errors
    /// [`vault::Error::QuotaExceeded`], which undoes the change.
    pub(super) fn check(self, view: &View<'_>, owner: Owner, new: New) -> Result<(), vault::Error> {
        let totals = view.totals(Some(owner), self.now)?;
        Ok(self.limits.check(new, &totals)?)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::api::requests::ProviderCreateRequest;
    use crate::clock::Env;
    use crate::provider::Source;
    use crate::vault::{KeyStore, Options, Vault};

    const PROVIDER: &[u8] = br#"{"provider_id": "p", "name": "P", "client_id": "c",
        "auth_url": "https://example.com/a", "token_url": "https://example.com/t"}"#;

    #[tokio::test]
    async fn an_owner_at_the_limit_leaves_the_others_their_room() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            data_dir: folder.path().join("data"),
            key_store: KeyStore::File,
            key_file: folder.path().join("key/vault.key"),
            max_events: 20,
        };
        let env = Env::system();
        let vault = Vault::open(&options, &env).unwrap();
        let (ada, grace) = (Owner::from_uid(1).unwrap(), Owner::from_uid(2).unwrap());
        let request = ProviderCreateRequest::from_json(PROVIDER).unwrap();
        let provider = request.into_provider(Uuid::nil(), Source::Owner, env.now());
        let insert = move |change: &vault::Change<'_>| change.insert_provider(ada, &provider);
        vault.write(insert).await.unwrap();
        let room = Room {
            limits: Limits {
                providers: 1,
                ..Limits::default()
            },
            now: env.now(),
        };
        let has_room = |owner| vault.read(|view| room.check(view, owner, New::Provider));
        let refused = has_room(ada).unwrap_err();
        assert!(matches!(refused, vault::Error::QuotaExceeded(_)));
        has_room(grace).unwrap();
    }
}
