//! What a person can do about an error, in the flags and commands of this program's
//! command line. The layers below say what is wrong, and name none of them.

use std::error::Error;

use crate::broker::{Maintenance, Missing};
use crate::client;
use crate::quota::Quota;
use crate::shell::quoted_path;
use crate::vault::{self, Remedy};

/// The clause that follows the text of an error, with its separator; empty if there is
/// nothing to add.
#[must_use]
pub fn after(error: &(dyn Error + 'static)) -> String {
    if let Some(error) = error.downcast_ref() {
        return for_client(error).to_owned();
    }
    let remedy = error
        .downcast_ref::<vault::Error>()
        .and_then(vault::Error::remedy);
    remedy.as_ref().map(for_remedy).unwrap_or_default()
}

fn for_client(error: &client::Error) -> &'static str {
    match error {
        client::Error::NotRunning { .. } => {
            ": start it with `agent-authd`, or name its socket with --socket or AGENT_AUTH_SOCK"
        }
        client::Error::NotASocket { .. } => ": name agent-authd's with --socket or AGENT_AUTH_SOCK",
        _ => "",
    }
}

/// The clause about something that is missing.
#[must_use]
pub fn for_missing(missing: &Missing) -> &'static str {
    match missing {
        Missing::Provider { .. } => "; `agent-auth provider add` makes one",
        _ => "",
    }
}

/// The clause about a quota that is used up.
#[must_use]
pub fn for_quota(quota: Quota) -> String {
    let (remedy, setting) = match quota {
        Quota::Providers => (
            "delete one with `agent-auth provider remove` or \
             DELETE /v2/auth/providers/{provider_id}",
            "max_providers",
        ),
        Quota::Tokens => (
            "delete one with DELETE /v2/auth/tokens/{token_id}",
            "max_tokens",
        ),
        Quota::Flows => (
            "finish or refuse some, or wait until they expire",
            "max_flows",
        ),
        Quota::Connections => (
            "take one away with DELETE /v2/auth/agents/{agent_id}/connections/{connection_id}",
            "max_agent_connections",
        ),
        Quota::Bytes => (
            "delete tokens or providers that are no longer needed",
            "max_stored_mib",
        ),
    };
    format!(": {remedy} (the administrator can raise {setting})")
}

/// The clause about what is wrong with the store now.
#[must_use]
pub fn for_trouble(maintenance: &Maintenance) -> String {
    let remedy = maintenance.remedy();
    remedy.as_ref().map(for_remedy).unwrap_or_default()
}

/// The clause about a change that could not be stored.
#[must_use]
pub fn for_unwritable(maintenance: &Maintenance) -> String {
    let remedy = maintenance.remedy();
    let remedy = remedy.filter(|remedy| *remedy == Remedy::PutBack);
    remedy.as_ref().map(for_remedy).unwrap_or_default()
}

/// The clause about the vault.
#[must_use]
pub fn for_remedy(remedy: &Remedy) -> String {
    match remedy {
        Remedy::MoveToDisk => {
            "; name a folder on a disk of this machine with --data-dir".to_owned()
        }
        Remedy::StopHolder => "; stop it first, or name another folder with --data-dir".to_owned(),
        Remedy::MoveKey => "; name another place with --key-file".to_owned(),
        Remedy::ReturnToVersion { backup: None } => "; install that version again".to_owned(),
        Remedy::ReturnToVersion {
            backup: Some(backup),
        } => format!(
            "; install that version again, or go back with `agent-auth vault restore {}`: \
             grants that were refreshed since need a new login",
            backup.display()
        ),
        Remedy::ReviewBackup { backup } => format!(
            "; look at each with: agent-auth vault restore --accept-unauthenticated {}",
            backup.display()
        ),
        Remedy::Restore {
            data_dir,
            key_file,
            backup,
        } => format!(
            "; put the newest backup in its place with: \
             agent-auth vault restore --data-dir {} --key-file {} {}",
            quoted_path(data_dir),
            quoted_path(key_file),
            quoted_path(backup)
        ),
        Remedy::PutBack => "; put it back, or save what the daemon has with \
             `agent-auth vault backup` before it is stopped"
            .to_owned(),
        Remedy::Check => "; `agent-auth vault check` says more".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::Exceeded;

    #[test]
    fn the_error_of_a_quota_is_followed_by_what_frees_room() {
        let exceeded = Exceeded {
            quota: Quota::Connections,
            limit: 2,
        };
        assert_eq!(
            format!("{exceeded}{}", for_quota(exceeded.quota)),
            "this user's quota of 2 permissions of agents is used up: take one away with \
             DELETE /v2/auth/agents/{agent_id}/connections/{connection_id} \
             (the administrator can raise max_agent_connections)"
        );
    }

    #[test]
    fn an_error_of_the_client_is_followed_by_how_to_reach_the_daemon() {
        let error = client::Error::NotRunning {
            socket: "/run/s".into(),
        };
        assert_eq!(
            format!("{error}{}", after(&error)),
            "agent-authd is not running (no one listens at /run/s): start it with \
             `agent-authd`, or name its socket with --socket or AGENT_AUTH_SOCK"
        );
    }

    #[test]
    fn an_error_of_the_vault_is_followed_by_what_to_do() {
        let damaged = vault::Error::Damaged {
            what: "page 7".to_owned(),
            data_dir: "/my data".into(),
            key_file: "/k".into(),
            backup: Some("/my data/backups/1".into()),
        };
        assert_eq!(
            format!("{damaged}{}", after(&damaged)),
            "the vault is damaged: page 7; the file was left as it is; put the newest backup in \
             its place with: agent-auth vault restore --data-dir '/my data' --key-file /k \
             '/my data/backups/1'"
        );
        let newer = vault::Error::NewerSchema {
            found: 3,
            known: 2,
            backup: None,
        };
        assert!(after(&newer).ends_with("install that version again"));
        assert_eq!(after(&vault::Error::NotFound), "");
    }
}
