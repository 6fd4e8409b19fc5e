//! An error with its causes and what a person can do about it.

use crate::advice;
use crate::daemon::Error;
use crate::redirect::listener;
use crate::vault::Remedy;

/// The text of an error and of each of its causes, and after them what can be done.
#[must_use]
pub fn explained(error: &anyhow::Error) -> String {
    let mut text = format!("{error:#}");
    for cause in error.chain() {
        text += &advice::after(cause);
        if let Some(error) = cause.downcast_ref() {
            text += &for_daemon(error);
        }
    }
    text
}

fn for_daemon(error: &Error) -> String {
    match error {
        Error::SocketInUse { .. } => {
            "; stop it first, or choose another socket with --socket".to_owned()
        }
        Error::VaultInUse { .. } => advice::for_remedy(&Remedy::StopHolder),
        Error::RedirectAddressInUse { .. } => "; choose another port with --redirect-listen (and \
             register the new address with your providers), or end that program"
            .to_owned(),
        Error::Socket(_) => "; another path can be set with --socket".to_owned(),
        Error::Vault(source) => advice::after(&**source),
        Error::RedirectListener(source) => match source.downcast_ref() {
            Some(listener::Error::Refused { .. }) => {
                "; another address can be set with --redirect-listen".to_owned()
            }
            _ => String::new(),
        },
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault;

    #[test]
    fn what_the_daemon_met_is_followed_by_what_to_do() {
        let said = |error: Error| explained(&error.into());
        let held = vault::Error::Held {
            folder: "/v".into(),
            holder: crate::lock_file::LockHolder::default(),
        };
        let address = "127.0.0.1:1".parse().unwrap();
        assert_eq!(
            said(held.into()),
            "another agent-authd holds the data in /v; stop it first, or name another folder \
             with --data-dir"
        );
        let busy = said(listener::Error::Busy { address }.into());
        assert!(
            busy.contains("; choose another port with --redirect-listen"),
            "{busy}"
        );
        let newer = vault::Error::NewerSchema {
            found: 3,
            known: 2,
            backup: None,
        };
        let said = said(newer.into());
        assert!(said.ends_with("; install that version again"), "{said}");
    }

    #[test]
    fn what_can_be_done_comes_after_all_causes() {
        let error = vault::Error::KeyBesideVault {
            path: "/v/key".into(),
        };
        let error = anyhow::Error::from(error).context("the key was not moved");
        assert_eq!(
            explained(&error),
            "the key was not moved: the key in /v/key cannot be used: it is in the vault's \
             folder, so a copy of the folder contains both; name another place with --key-file"
        );
    }
}
