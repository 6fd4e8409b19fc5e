//! The daemon and the vault that the settings describe.

use crate::config::Config;
use crate::daemon::{Builder, Daemon, KeySource, Options};
use crate::vault::{self, KeyStore};

/// A daemon with these settings, not started yet.
pub(super) fn builder(config: &Config) -> Builder {
    Daemon::builder()
        .data_dir(&config.data_dir)
        .socket(&config.socket)
        .key_source(key_source(config))
        .redirect_address(config.redirect_listen)
        .options(Options {
            serves_all_users: config.system,
            checks_redirect_uid: config.redirect_check_uid,
            flow_lifetime: config.flow_lifetime,
            max_connections: count(config.max_connections),
            max_waiters: count(config.max_waiters),
            max_events: config.max_events,
            limits: config.limits,
            refresh_active_within: config.refresh_active_within,
        })
}

/// The vault that the settings describe.
#[must_use]
pub fn vault_options(config: &Config) -> vault::Options {
    vault::Options {
        data_dir: config.data_dir.clone(),
        key_store: config.key_store,
        key_file: config.key_file.clone(),
        max_events: config.max_events,
    }
}

fn key_source(config: &Config) -> KeySource {
    match config.key_store {
        KeyStore::Auto => KeySource::Auto(config.key_file.clone()),
        KeyStore::Credential => KeySource::Credential,
        KeyStore::Keychain => KeySource::Keychain,
        KeyStore::File => KeySource::File(config.key_file.clone()),
        KeyStore::SecretService => KeySource::SecretService,
    }
}

fn count(setting: u32) -> usize {
    usize::try_from(setting).unwrap_or(usize::MAX)
}
