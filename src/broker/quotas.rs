//! Whether an owner's quotas have room for something new. It is checked in the
//! change that makes it, so that two at once cannot both take the last place.

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
    use crate::clock::Env;
    use crate::provider::{Builder, Source};
    use crate::vault::{KeyStore, Options, Vault};

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
        let definition = Builder {
            provider_id: Some("p".to_owned()),
            name: Some("P".to_owned()),
            client_id: Some("c".to_owned()),
            auth_url: Some("https://example.com/a".to_owned()),
            token_url: Some("https://example.com/t".to_owned()),
            ..Builder::default()
        };
        let provider =
            definition
                .build()
                .unwrap()
                .into_provider(Uuid::nil(), Source::Owner, env.now());
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
