//! How much one owner may store: the limits, the totals, and whether something
//! new fits.
//!
//! Pure rules. They are checked only when something new begins, so they never
//! prevent a refresh, an exchange, a revocation or a deletion. Stored data that
//! exceeds a limit, after a lowered limit or an upgrade, stays.

use std::fmt;

/// Space counted for the token of each login under way, in bytes: enough for
/// large tokens and their metadata.
const TOKEN_ROOM: u64 = 8 * 1024;

/// Bytes per MiB, the unit of the setting.
pub const MIB: u64 = 1024 * 1024;

/// The limits of each owner. The defaults are far more than a person's agents
/// use, and far less than a disk holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Providers.
    pub providers: u64,
    /// Tokens, including those that logins under way will add.
    pub tokens: u64,
    /// Logins under way. The same number of renewals is allowed besides.
    pub flows: u64,
    /// Permissions of agents.
    pub connections: u64,
    /// The size of everything stored, including events, in bytes.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            providers: 1_000,
            tokens: 100_000,
            flows: 10_000,
            connections: 100_000,
            bytes: 256 * MIB,
        }
    }
}

/// What an owner stores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Providers.
    pub providers: u64,
    /// Tokens.
    pub tokens: u64,
    /// Permissions of agents.
    pub connections: u64,
    /// Flows under way that make a new token.
    pub logins: u64,
    /// Flows under way that renew a token.
    pub renewals: u64,
    /// Flows of both kinds that wait for a person.
    pub flows_pending: u64,
    /// Bytes stored.
    pub bytes: u64,
}

/// Something new to store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum New {
    /// A provider.
    Provider,
    /// A token that was obtained elsewhere (an import).
    Token,
    /// A login that makes a new token.
    Login {
        /// Whether it is for an agent, which is then permitted to use the token.
        for_agent: bool,
    },
    /// A login that renews a token in place.
    Renewal,
    /// A permission for an agent.
    Connection,
}

/// A quota of an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// Number of providers.
    Providers,
    /// Number of tokens.
    Tokens,
    /// Number of flows under way.
    Flows,
    /// Number of agents' permissions.
    Connections,
    /// Size in bytes.
    Bytes,
}

/// A quota is used up. Nothing new can begin until something is deleted or
/// ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// The quota.
    pub quota: Quota,
    /// The limit; in bytes for [`Quota::Bytes`].
    pub limit: u64,
}

impl std::error::Error for Exceeded {}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.limit;
        let amount = match self.quota {
            Quota::Providers => format!("{limit} providers"),
            Quota::Tokens => format!("{limit} tokens, logins under way included,"),
            Quota::Flows => format!("{limit} logins under way"),
            Quota::Connections => format!("{limit} permissions of agents"),
            Quota::Bytes => format!("{} MiB stored", limit / MIB),
        };
        write!(f, "this user's quota of {amount} is used up")
    }
}

impl Limits {
    /// Checks whether an owner with `totals` may begin `new`.
    ///
    /// # Errors
    /// The first quota that is used up.
    pub fn check(&self, new: New, totals: &Totals) -> Result<(), Exceeded> {
        let tokens = (Quota::Tokens, totals.tokens + totals.logins, self.tokens);
        let connections = (Quota::Connections, totals.connections, self.connections);
        let reserved = totals.bytes + totals.logins * TOKEN_ROOM;
        let bytes = (Quota::Bytes, reserved, self.bytes);
        let flows = |under_way| (Quota::Flows, under_way, self.flows);
        match new {
            New::Provider => {
                has_room(&[(Quota::Providers, totals.providers, self.providers), bytes])
            }
            New::Token => has_room(&[tokens, bytes]),
            New::Login { for_agent: false } => has_room(&[flows(totals.logins), tokens, bytes]),
            New::Login { for_agent: true } => {
                has_room(&[flows(totals.logins), tokens, connections, bytes])
            }
            New::Renewal => has_room(&[flows(totals.renewals)]),
            New::Connection => has_room(&[connections, bytes]),
        }
    }
}

fn has_room(quotas: &[(Quota, u64, u64)]) -> Result<(), Exceeded> {
    let full = quotas.iter().find(|(_, used, limit)| used >= limit);
    full.map_or(Ok(()), |(quota, _, limit)| {
        Err(Exceeded {
            quota: *quota,
            limit: *limit,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        providers: 2,
        tokens: 3,
        flows: 2,
        connections: 2,
        bytes: 20 * 1024,
    };

    fn quota(new: New, totals: Totals) -> Option<Quota> {
        LIMITS
            .check(new, &totals)
            .err()
            .map(|exceeded| exceeded.quota)
    }

    #[test]
    fn a_login_under_way_counts_as_a_token() {
        let totals = |tokens, logins| Totals {
            tokens,
            logins,
            ..Totals::default()
        };
        assert_eq!(quota(New::Token, totals(1, 1)), None);
        assert_eq!(quota(New::Token, totals(2, 1)), Some(Quota::Tokens));
        let login = New::Login { for_agent: false };
        assert_eq!(quota(login, totals(2, 1)), Some(Quota::Tokens));
        assert_eq!(quota(login, totals(0, 2)), Some(Quota::Flows));
        let almost_full = Totals {
            bytes: 12 * 1024,
            ..totals(0, 1)
        };
        assert_eq!(quota(New::Provider, almost_full), Some(Quota::Bytes));
    }

    #[test]
    fn only_renewals_under_way_stop_a_renewal() {
        let full = Totals {
            providers: 9,
            tokens: 9,
            connections: 9,
            logins: 9,
            renewals: 1,
            flows_pending: 10,
            bytes: u64::MAX / 2,
        };
        assert_eq!(quota(New::Renewal, full), None);
        let renewals = Totals {
            renewals: 2,
            ..full
        };
        assert_eq!(quota(New::Renewal, renewals), Some(Quota::Flows));
    }

    #[test]
    fn the_error_names_the_quota() {
        let exceeded = LIMITS.check(
            New::Connection,
            &Totals {
                connections: 2,
                ..Totals::default()
            },
        );
        let text = exceeded.unwrap_err().to_string();
        assert!(text.contains("2 permissions of agents"), "{text}");
    }
}
