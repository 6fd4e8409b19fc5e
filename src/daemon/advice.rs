//! An error with its causes and what a person can do about it.

use crate::advice;
use crate::redirect::listener;

/// The text of an error and of each of its causes, and after them what can be done.
#[must_use]
pub fn explained(error: &anyhow::Error) -> String {
    let mut text = format!("{error:#}");
    for cause in error.chain() {
        text += &advice::after(cause);
        if let Some(error) = cause.downcast_ref() {
            text += for_listener(error);
        }
    }
    text
}

fn for_listener(error: &listener::Error) -> &'static str {
    match error {
        listener::Error::Busy { .. } => {
            "; choose another port with --redirect-listen (and register the new address with \
             your providers), or end that program"
        }
        listener::Error::Refused { .. } => "; another address can be set with --redirect-listen",
        listener::Error::Elsewhere { .. } => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault;

    #[test]
    fn what_can_be_done_comes_after_all_causes() {
        let error = vault::Error::KeyBesideVault {
            path: "/v/key".into(),
        };
        let error = anyhow::Error::from(error).context("the key was not moved");
        assert_eq!(
            explained(&error),
            "the key was not moved: the key in /v/key cannot be used: it lies in the vault's own \
             folder, so that whoever copies one has both; name another place with --key-file"
        );
    }
}
