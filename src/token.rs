//! A stored token and its rules: when it is fresh, when it must be refreshed,
//! when it is dead, when a person is needed.
//!
//! Pure: no input or output, no clock (`now` is an argument), and no secret:
//! those are in [`Grant`] on the way in and stay in the vault after.

mod account;

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::identity::{AgentId, Owner, Scopes, TokenId, UserId};
use crate::provider::{Binding, ProviderRef};
use crate::secret::{AccessToken, RefreshToken};

pub use self::account::{Account, AccountId, Sameness};

/// A token is handed out only while it is good for this much longer, so that
/// it does not die on its way to the API it is for.
const MARGIN_MILLIS: i64 = 60_000;

/// Refreshes in the background are spread over this share of a token's life
/// (one tenth), and over five minutes at most: long enough to spread, short
/// enough not to matter to anybody.
const SPREAD_SHARE: i64 = 10;
const MAX_SPREAD_MILLIS: i64 = 300_000;

/// The life of an access token about which nothing is known: most live for an
/// hour.
const USUAL_LIFE_MILLIS: i64 = 3_600_000;

/// Servers' and this machine's clocks differ a little; a life that seems longer
/// than it was when the token was issued by more than this means that the
/// clock was set back, and that the expiry can no longer be trusted.
const CLOCK_TOLERANCE_MILLIS: i64 = 60_000;

/// What a token endpoint gave (RFC 6749, section 5.1), or an import brought.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The access token.
    pub access_token: AccessToken,
    /// The refresh token; a refresh that gives none keeps the old one.
    pub refresh_token: Option<RefreshToken>,
    /// The token type as the provider wrote it, usually `Bearer`.
    pub token_type: String,
    /// The scopes granted; `None` when the reply did not say, which means
    /// those that were asked for.
    pub scopes: Option<Scopes>,
    /// When the access token expires; `None` if it does not, or nobody said.
    pub expires_at: Option<Timestamp>,
    /// The account, as the provider identifies it.
    pub account_id: Option<AccountId>,
    /// What a person calls the account, such as an e-mail address.
    pub account_label: Option<String>,
    /// Other members of the reply worth keeping, never a secret.
    pub metadata: Map<String, Value>,
}

impl Grant {
    /// A grant of which the refresh token alone has come. It is expired from
    /// the start, and so refreshed before anything of it is handed out.
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

/// Why the last refresh of a token did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In words; never a secret.
    pub error: String,
    /// When.
    pub at: Timestamp,
    /// When it will be tried again.
    pub retry_at: Timestamp,
}

/// A stored token, without its secrets.
#[derive(Clone, Debug)]
pub struct Token {
    /// Its identifier.
    pub id: TokenId,
    /// Whose it is.
    pub owner: Owner,
    /// The provider it came from.
    pub provider: ProviderRef,
    /// The client and endpoint it may be sent to.
    pub binding: Binding,
    /// The human it speaks for.
    pub user_id: UserId,
    /// The agent it was obtained for; `None` for the user's own.
    pub agent_id: Option<AgentId>,
    /// The account, as the provider identifies it.
    pub account_id: Option<AccountId>,
    /// The provider's name for the account, such as an e-mail address.
    pub account_label: Option<String>,
    /// What a person calls the account instead.
    pub own_label: Option<String>,
    /// The token type.
    pub token_type: String,
    /// The scopes granted.
    pub granted: Scopes,
    /// The scopes asked for when it was obtained.
    pub requested: Scopes,
    /// When the access token was issued.
    pub issued_at: Timestamp,
    /// When the access token expires; `None` if it does not.
    pub expires_at: Option<Timestamp>,
    /// Whether there is a refresh token.
    pub is_refreshable: bool,
    /// Whether it is the default of its owner, provider, user and agent.
    pub is_default: bool,
    /// Whether the grant stands.
    pub state: State,
    /// Counts the grants this token has held; a refresh is compared with it
    /// and set on it.
    pub generation: i64,
    /// What was stored with it.
    pub metadata: Map<String, Value>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When its grant was last renewed by a refresh.
    pub refreshed_at: Option<Timestamp>,
    /// Why the refresh after that did not succeed; `None` if it was not tried.
    pub failure: Option<Failure>,
    /// When it was last handed out.
    pub used_at: Option<Timestamp>,
}

/// Whether a grant stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It stands.
    Active,
    /// Only a person can renew it; the text says why, in the words of the event.
    ReauthorizationRequired {
        /// Why.
        reason: String,
    },
}

/// How far an access token is from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freshness {
    /// Good for longer than the margin.
    Fresh,
    /// Alive, but to be refreshed before it is handed out, if that can be done.
    Stale,
    /// Expired.
    Dead,
}

impl Token {
    /// What the account is shown as: the person's own word for it, else the
    /// provider's.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.own_label.as_deref().or(self.account_label.as_deref())
    }

    /// How far the access token is from its end at `now`.
    #[must_use]
    pub fn freshness(&self, now: Timestamp) -> Freshness {
        let Some(expires_at) = self.expires_at else {
            return Freshness::Fresh;
        };
        let left = expires_at.millis_since(now);
        let life = expires_at.millis_since(self.issued_at);
        if left <= 0 {
            Freshness::Dead
        } else if left <= self.margin_millis() || left > life + CLOCK_TOLERANCE_MILLIS {
            Freshness::Stale
        } else {
            Freshness::Fresh
        }
    }

    /// When an access token expires that was asked for at `asked_at`, if it
    /// lives as long as this one: a reply that does not say for how long means
    /// the life that the grant had before (RFC 6749, section 5.1). `None` if
    /// this one does not expire.
    #[must_use]
    pub fn expiry_after(&self, asked_at: Timestamp) -> Option<Timestamp> {
        let life = self.expires_at?.millis_since(self.issued_at);
        // An import that was dead already had a life that is not known.
        let life = if life > 0 { life } else { USUAL_LIFE_MILLIS };
        Some(Timestamp::from_millis(
            asked_at.as_millis().saturating_add(life),
        ))
    }

    /// How long before its end an access token is refreshed: 60 s, or a tenth
    /// of its life if that is shorter. In milliseconds.
    #[must_use]
    pub fn margin_millis(&self) -> i64 {
        self.expires_at.map_or(0, |expires_at| {
            (expires_at.millis_since(self.issued_at) / 10).clamp(0, MARGIN_MILLIS)
        })
    }

    /// When it is to be refreshed although nobody waits for it: before the
    /// margin, by a share of its life that differs from token to token, so that
    /// tokens obtained together are not refreshed together. After a failure,
    /// when that is tried again. `None` if it cannot be refreshed or need not.
    #[must_use]
    pub fn due_at(&self) -> Option<Timestamp> {
        let expires_at = self.expires_at?;
        if !self.is_refreshable || self.state != State::Active {
            return None;
        }
        let life = expires_at.millis_since(self.issued_at);
        let spread = (life / SPREAD_SHARE).clamp(0, MAX_SPREAD_MILLIS);
        let early = self.margin_millis() + self.share_of(spread);
        let due_at = Timestamp::from_millis(expires_at.as_millis() - early);
        let retry_at = self.failure.as_ref().map(|failure| failure.retry_at);
        Some(retry_at.map_or(due_at, |retry_at| retry_at.max(due_at)))
    }

    /// A number from 0 to `whole` that is this grant's own: its identifier is
    /// random already.
    #[must_use]
    pub fn share_of(&self, whole: i64) -> i64 {
        let (_, random) = self.id.uuid().as_u64_pair();
        // A large odd number, so that the next generation lands elsewhere.
        let mixed =
            random.wrapping_add((self.generation as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let range = u64::try_from(whole).unwrap_or(0) + 1;
        i64::try_from(mixed % range).unwrap_or(0)
    }

    /// Whether every scope of `wanted` was granted to it, or asked for when it
    /// was obtained: providers rename and merge scopes, and comparing with the
    /// granted ones alone would ask the person again for ever.
    #[must_use]
    pub fn satisfies(&self, wanted: &Scopes) -> bool {
        wanted.is_covered_by(&self.granted, &self.requested)
    }

    /// What was asked for and not granted.
    #[must_use]
    pub fn missing_scopes(&self) -> Scopes {
        self.requested.difference(&self.granted)
    }

    /// What a person is shown that it gives: the scopes asked for and granted.
    #[must_use]
    pub fn scopes_shown(&self) -> Scopes {
        self.requested.union(&self.granted)
    }

    /// The scopes that flows asked for since a permission for `permitted` was
    /// given. What a refresh reply spells differently is not among them.
    #[must_use]
    pub fn widened_beyond(&self, permitted: &Scopes) -> Scopes {
        self.requested.difference(permitted)
    }

    /// Whether it can be handed out, now or after a refresh, without a person.
    #[must_use]
    pub fn is_usable(&self, now: Timestamp) -> bool {
        self.state == State::Active
            && (self.is_refreshable || self.freshness(now) != Freshness::Dead)
    }
}

#[cfg(test)]
pub(crate) mod tests;
