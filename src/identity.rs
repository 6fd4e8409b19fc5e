//! The identifiers in a request: owners, users, agents, providers, tokens,
//! flows, scopes.
//!
//! Each is parsed once, where it arrives, and is valid from then on. No input
//! or output here, and no secret.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::visible::has_invisible;

/// The kernel's overflow uid, which stands for every uid that a user namespace
/// does not map (user_namespaces(7)). Different users share it, so it owns
/// nothing.
const OVERFLOW_UID: u32 = 65_534;

/// The owner of providers, tokens, flows and events: a uid of this machine, as
/// the kernel reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner(u32);

impl Owner {
    /// The machine's administrator.
    pub const ADMINISTRATOR: Self = Self(0);

    /// The owner with this uid; `None` for the overflow uid.
    #[must_use]
    pub fn from_uid(uid: u32) -> Option<Self> {
        (uid != OVERFLOW_UID).then_some(Self(uid))
    }

    /// The uid.
    #[must_use]
    pub fn uid(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The longest label or name that a caller may choose, in characters: much
/// longer than any in use, and short enough that a list of thousands of rows
/// stays small.
pub const LONGEST_LABEL: usize = 256;

/// Why a text cannot be a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// It is longer than [`LONGEST_LABEL`].
    #[error("it must have at most {LONGEST_LABEL} characters")]
    TooLong,
    /// It could be taken for another label, because it has invisible
    /// characters.
    #[error("it has control or other invisible characters")]
    Invisible,
}

/// Checks a text that people must be able to tell apart by reading it.
///
/// # Errors
/// [`LabelError`] if it cannot be a label.
pub fn check_label(text: &str) -> Result<(), LabelError> {
    if text.chars().nth(LONGEST_LABEL).is_some() {
        return Err(LabelError::TooLong);
    }
    if has_invisible(text) {
        return Err(LabelError::Invisible);
    }
    Ok(())
}

macro_rules! label {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The label; `None` if it is empty.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                (!text.is_empty()).then(|| Self(text.to_owned()))
            }

            /// The label's text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

label! {
    /// A caller's label for the person on whose behalf it acts.
    UserId;
    /// A caller's label for the agent that will use a token.
    AgentId;
}

/// A provider's identifier, chosen when the provider is created: a letter or
/// digit, then up to 127 letters, digits, dots, underscores or hyphens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ProviderId(String);

impl ProviderId {
    /// The pattern, as in the contract.
    pub const PATTERN: &'static str = "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$";

    /// The identifier, or `None` if `text` does not match [`Self::PATTERN`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        let (first, rest) = text.as_bytes().split_first()?;
        let valid = first.is_ascii_alphanumeric() && rest.len() < 128 && rest.iter().all(inner);
        valid.then(|| Self(text.to_owned()))
    }

    /// Whether a path of the API has this name. A provider with it could be
    /// neither read nor deleted.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.0 == "mcp-discover"
    }

    /// The identifier's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! uuid_id {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// From a UUID.
            #[must_use]
            pub fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// Parses any text form of a UUID; `None` if it is not one.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Uuid::try_parse(text).ok().map(Self)
            }

            /// The UUID.
            #[must_use]
            pub fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }
    )+};
}

uuid_id! {
    /// The identifier of a stored token (the contract's `token_id`).
    TokenId;
    /// The identifier of an authorization flow (the contract's `auth_id`).
    FlowId;
    /// The identifier of an agent's permission to use a token.
    ConnectionId;
    /// The public identifier of an owner (the contract's `organization_id`).
    OrganizationId;
}

/// A set of scopes (RFC 6749, section 3.3) in a fixed order, without
/// duplicates, empty scopes or blanks within a scope.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scopes(BTreeSet<String>);

impl Scopes {
    /// From texts that each contain one scope, or several separated by blanks.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self(
            texts
                .into_iter()
                .flat_map(str::split_whitespace)
                .map(str::to_owned)
                .collect(),
        )
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether each scope is also in `granted` or in `requested`.
    #[must_use]
    pub fn is_covered_by(&self, granted: &Self, requested: &Self) -> bool {
        self.0
            .iter()
            .all(|scope| granted.0.contains(scope) || requested.0.contains(scope))
    }

    /// The scopes of both sets.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// The scopes that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self(self.0.difference(&other.0).cloned().collect())
    }

    /// The scopes in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The scopes as one text, separated by `separator`.
    #[must_use]
    pub fn join(&self, separator: &str) -> String {
        self.iter().collect::<Vec<_>>().join(separator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provider_ids_follow_the_contracts_pattern() {
        for valid in ["github", "0", "a.b_c-D", &"a".repeat(128)] {
            assert!(ProviderId::parse(valid).is_some(), "{valid}");
        }
        for invalid in ["", "-a", ".a", "a/b", "a b", "é", &"a".repeat(129)] {
            assert!(ProviderId::parse(invalid).is_none(), "{invalid}");
        }
    }

    #[test]
    fn the_overflow_uid_owns_nothing() {
        assert!(Owner::from_uid(65_534).is_none());
        assert!(Owner::from_uid(0).is_some());
    }

    #[test]
    fn scopes_are_covered_by_granted_and_requested_ones() {
        let asked = Scopes::new(["repo", "user"]);
        let granted = Scopes::new(["repo gist"]);
        assert!(Scopes::new(["user", "gist"]).is_covered_by(&granted, &asked));
        assert!(!Scopes::new(["admin"]).is_covered_by(&granted, &asked));
        assert!(Scopes::default().is_covered_by(&granted, &asked));
    }
}
