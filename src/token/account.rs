//! The account of a grant, as its provider identifies it, and whether two
//! grants have the same account. A person's name for an account is not
//! considered.

use super::{Grant, Token};

/// An account's identifier at its provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountId {
    /// The issuer of the identifier (OpenID Connect Core, section 2); `None` if
    /// the identifier is specific to the provider.
    pub issuer: Option<String>,
    /// The identifier, unique within its issuer.
    pub subject: String,
}

/// Whether two grants have the same account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sameness {
    /// The accounts are the same.
    Same,
    /// The accounts are different.
    Different,
    /// The provider has not identified one of them.
    Unknown,
}

/// An account, as far as its provider has identified it.
#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    /// Its identifier.
    pub id: Option<&'a AccountId>,
    /// Its label, such as an e-mail address.
    pub label: Option<&'a str>,
}

impl Account<'_> {
    /// Compares the account with another one of the same provider: by
    /// identifier, otherwise by the provider's label.
    #[must_use]
    pub fn compared_with(&self, other: &Account<'_>) -> Sameness {
        let is_comparable = |(one, other): &(&AccountId, &AccountId)| {
            one.issuer.is_some() == other.issuer.is_some()
        };
        let ids = self.id.zip(other.id).filter(is_comparable);
        let by_id = ids.map(|(one, other)| one == other);
        let by_label = || self.label.zip(other.label).map(|(one, other)| one == other);
        match by_id.or_else(by_label) {
            Some(true) => Sameness::Same,
            Some(false) => Sameness::Different,
            None => Sameness::Unknown,
        }
    }
}

impl Token {
    /// The account of the token.
    #[must_use]
    pub fn account(&self) -> Account<'_> {
        Account {
            id: self.account_id.as_ref(),
            label: self.account_label.as_deref(),
        }
    }
}

impl Grant {
    /// The account of the grant.
    #[must_use]
    pub fn account(&self) -> Account<'_> {
        Account {
            id: self.account_id.as_ref(),
            label: self.account_label.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(issuer: Option<&str>, subject: &str) -> AccountId {
        AccountId {
            issuer: issuer.map(str::to_owned),
            subject: subject.to_owned(),
        }
    }

    #[test]
    fn identifiers_take_precedence_over_labels_and_missing_ones_are_unknown() {
        let (ada, bob) = (id(Some("i"), "1"), id(Some("i"), "2"));
        let (elsewhere, own) = (id(Some("j"), "1"), id(None, "1"));
        let account = |id, label| Account { id, label };
        for (one, other, expected) in [
            (
                account(Some(&ada), Some("a")),
                account(Some(&ada), Some("b")),
                Sameness::Same,
            ),
            (
                account(Some(&ada), Some("a")),
                account(Some(&bob), Some("a")),
                Sameness::Different,
            ),
            (
                account(Some(&ada), None),
                account(Some(&elsewhere), None),
                Sameness::Different,
            ),
            (
                account(Some(&ada), None),
                account(Some(&own), None),
                Sameness::Unknown,
            ),
            (
                account(None, Some("a")),
                account(Some(&ada), Some("a")),
                Sameness::Same,
            ),
            (
                account(None, Some("a")),
                account(None, Some("b")),
                Sameness::Different,
            ),
            (
                account(None, None),
                account(Some(&ada), Some("a")),
                Sameness::Unknown,
            ),
            (account(None, None), account(None, None), Sameness::Unknown),
        ] {
            assert_eq!(one.compared_with(&other), expected, "{one:?} {other:?}");
            assert_eq!(other.compared_with(&one), expected);
        }
    }
}
