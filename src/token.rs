//! A stored token and its rules: when it is fresh, when it must be refreshed,
//! when it has expired, and when only a person can renew it.
//!
//! Pure: no input or output, no clock (`now` is an argument) and no secret.
//! Secrets are in [`Grant`] before they are stored, and then in the vault.

mod account;

use std::time::Duration;

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::identity::{AgentId, Owner, Scopes, TokenId, UserId};
use crate::provider::{Binding, ProviderRef};
use crate::secret::{AccessToken, RefreshToken};

pub use self::account::{Account, AccountId, Sameness};

/// A token is issued only if it is valid for this much longer, so that it does
/// not expire before the API receives it.
const MARGIN: Duration = Duration::from_secs(60);

/// Background refreshes are spread over a tenth of a token's life, five minutes
/// at most: enough to spread the load, and short compared with the life.
const SPREAD_SHARE: u32 = 10;
const MAX_SPREAD: Duration = Duration::from_secs(300);

/// The assumed life of an access token if it is unknown. Most live for an hour.
const USUAL_LIFE: Duration = Duration::from_secs(3600);

/// How far the clocks of servers and of this machine may differ. If more than
/// the token's original life plus this is left, the clock was set back, and the
/// expiry cannot be relied on.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// The content of a token response (RFC 6749, section 5.1) or of an import.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The access token.
    pub access_token: AccessToken,
    /// The refresh token. After a refresh without a new one, the old one stays
    /// valid.
    pub refresh_token: Option<RefreshToken>,
    /// The token type as the provider wrote it, usually `Bearer`.
    pub token_type: String,
    /// The granted scopes; `None` if the response does not contain them, which
    /// means the requested scopes.
    pub scopes: Option<Scopes>,
    /// When the access token expires; `None` if it does not expire, or the
    /// response does not say.
    pub expires_at: Option<Timestamp>,
    /// The account, as the provider identifies it.
    pub account_id: Option<AccountId>,
    /// The provider's name for the account, such as an e-mail address.
    pub account_label: Option<String>,
    /// Other members of the response that are kept; never a secret.
    pub metadata: Map<String, Value>,
}

impl Grant {
    /// A grant that has only a refresh token. It is expired from the start, so
    /// it is refreshed before a token is issued.
    #[must_use]
    pub fn of_refresh_token(refresh_token: RefreshToken, now: Timestamp) -> Self {
        Self {
            access_token: AccessToken::missing(),
            refresh_token: Some(refresh_token),
            token_type: "Bearer".to_owned(),
            scopes: None,
            expires_at: Some(now),
            account_id: None,
            account_label: None,
            metadata: Map::new(),
        }
    }
}

/// Why the last refresh of a token failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A description, without secrets.
    pub error: String,
    /// When it failed.
    pub at: Timestamp,
    /// When the next attempt is due.
    pub retry_at: Timestamp,
}

/// A stored token, without its secrets.
#[derive(Clone, Debug)]
pub struct Token {
    /// Its identifier.
    pub id: TokenId,
    /// The owner.
    pub owner: Owner,
    /// The provider it came from.
    pub provider: ProviderRef,
    /// The client and the token endpoint that its secrets may be sent to.
    pub binding: Binding,
    /// The user it was obtained for.
    pub user_id: UserId,
    /// The agent it was obtained for; `None` if it is the user's own token.
    pub agent_id: Option<AgentId>,
    /// The account, as the provider identifies it.
    pub account_id: Option<AccountId>,
    /// The provider's name for the account, such as an e-mail address.
    pub account_label: Option<String>,
    /// A person's name for the account, which replaces the provider's.
    pub own_label: Option<String>,
    /// The token type.
    pub token_type: String,
    /// The scopes granted.
    pub granted: Scopes,
    /// The scopes requested when it was obtained.
    pub requested: Scopes,
    /// When the access token was issued.
    pub issued_at: Timestamp,
    /// When the access token expires; `None` if it does not.
    pub expires_at: Option<Timestamp>,
    /// Whether there is a refresh token.
    pub is_refreshable: bool,
    /// Whether it is the default of its owner, provider, user and agent.
    pub is_default: bool,
    /// Whether the grant can be used.
    pub state: State,
    /// The number of grants this token has had. A refresh replaces the grant
    /// only if the number has not changed (compare and set).
    pub generation: i64,
    /// Metadata that is stored with it.
    pub metadata: Map<String, Value>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When a refresh last renewed its grant.
    pub refreshed_at: Option<Timestamp>,
    /// Why the next refresh after that failed; `None` if none was tried.
    pub failure: Option<Failure>,
    /// When it was last issued.
    pub used_at: Option<Timestamp>,
}

/// Whether a grant can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It can.
    Active,
    /// Only a person can renew it.
    ReauthorizationRequired {
        /// The reason, as in the event.
        reason: String,
    },
}

/// How soon an access token expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freshness {
    /// Valid for longer than the margin.
    Fresh,
    /// Valid, but must be refreshed before it is issued, if it can be.
    Stale,
    /// Expired.
    Dead,
}

impl Token {
    /// The account's name for people: the person's name for it, otherwise the
    /// provider's.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.own_label.as_deref().or(self.account_label.as_deref())
    }

    /// How soon the access token expires at `now`.
    #[must_use]
    pub fn freshness(&self, now: Timestamp) -> Freshness {
        let Some(expires_at) = self.expires_at else {
            return Freshness::Fresh;
        };
        let left = expires_at.duration_since(now);
        let life = expires_at.duration_since(self.issued_at);
        if left.is_zero() {
            Freshness::Dead
        } else if left <= self.margin() || left > life + CLOCK_TOLERANCE {
            Freshness::Stale
        } else {
            Freshness::Fresh
        }
    }

    /// When an access token that is requested at `asked_at` expires if the
    /// response does not say: its life is taken to be that of this token (RFC
    /// 6749, section 5.1). `None` if this token does not expire.
    #[must_use]
    pub fn expiry_after(&self, asked_at: Timestamp) -> Option<Timestamp> {
        let life = self.expires_at?.duration_since(self.issued_at);
        // An imported token may have expired before, so its life is unknown.
        let life = if life.is_zero() { USUAL_LIFE } else { life };
        Some(asked_at.plus(life))
    }

    /// How long before its expiry an access token is refreshed: 60 s, or a
    /// tenth of its life if that is shorter.
    #[must_use]
    pub fn margin(&self) -> Duration {
        self.expires_at.map_or(Duration::ZERO, |expires_at| {
            (expires_at.duration_since(self.issued_at) / 10).min(MARGIN)
        })
    }

    /// When the token is refreshed in the background: before the margin, by a
    /// part of its life that differs between tokens, so that tokens obtained
    /// together are not refreshed together. After a failure, not before its
    /// next attempt. `None` if it cannot be refreshed or does not expire.
    #[must_use]
    pub fn due_at(&self) -> Option<Timestamp> {
        let expires_at = self.expires_at?;
        if !self.is_refreshable || self.state != State::Active {
            return None;
        }
        let life = expires_at.duration_since(self.issued_at);
        let spread = (life / SPREAD_SHARE).min(MAX_SPREAD);
        let due_at = expires_at.minus(self.margin() + self.share_of(spread));
        let retry_at = self.failure.as_ref().map(|failure| failure.retry_at);
        Some(retry_at.map_or(due_at, |retry_at| retry_at.max(due_at)))
    }

    /// A duration up to `whole` that depends on this grant: on the token's
    /// identifier, which is random, and its generation.
    #[must_use]
    pub fn share_of(&self, whole: Duration) -> Duration {
        let (_, random) = self.id.uuid().as_u64_pair();
        // A large odd number, so that the next generation gives a different
        // value.
        let mixed =
            random.wrapping_add((self.generation as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let millis = u64::try_from(whole.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(mixed % millis.saturating_add(1))
    }

    /// Whether every scope of `wanted` was granted, or requested when the token
    /// was obtained. Providers rename and merge scopes, so comparing with the
    /// granted scopes alone would ask the person again at every request.
    #[must_use]
    pub fn satisfies(&self, wanted: &Scopes) -> bool {
        wanted.is_covered_by(&self.granted, &self.requested)
    }

    /// The scopes that were requested but not granted.
    #[must_use]
    pub fn missing_scopes(&self) -> Scopes {
        self.requested.difference(&self.granted)
    }

    /// The scopes that are shown to a person: those requested and those
    /// granted.
    #[must_use]
    pub fn scopes_shown(&self) -> Scopes {
        self.requested.union(&self.granted)
    }

    /// The scopes that flows have requested since a permission for `permitted`
    /// was given. Scopes that only a refresh response names are not included.
    #[must_use]
    pub fn widened_beyond(&self, permitted: &Scopes) -> Scopes {
        self.requested.difference(permitted)
    }

    /// Whether it can be issued, now or after a refresh, without a person.
    #[must_use]
    pub fn is_usable(&self, now: Timestamp) -> bool {
        self.state == State::Active
            && (self.is_refreshable || self.freshness(now) != Freshness::Dead)
    }
}

#[cfg(test)]
pub(crate) mod tests;
