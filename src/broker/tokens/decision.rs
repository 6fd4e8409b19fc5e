//! The decision table of authenticate: which of the stored tokens is used for a
//! request, or which login is needed. Pure; the rows are those of docs/api.md.

use crate::broker::accounts::preference;
use crate::clock::Timestamp;
use crate::identity::{AgentId, Scopes, TokenId};
use crate::token::{State, Token};

/// A token with the owner, provider and user of a request.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) token: Token,
    /// Whether the agent that asks has a permission for it; without an agent, whether
    /// it is the user's own.
    pub(super) is_bound: bool,
    /// Whether the agent that asks may use it with all the scopes that it has;
    /// without an agent as [`Self::is_bound`].
    pub(super) is_permitted: bool,
    /// Whether its grant turned out to have ended while the request was served.
    pub(super) has_ended: bool,
}

impl Candidate {
    /// A stored token. `permitted` are the scopes that the request may use of it,
    /// `None` if it may not use the token. The grants of `ended` turned out to have
    /// ended.
    pub(super) fn new(token: &Token, permitted: Option<&Scopes>, ended: &[TokenId]) -> Self {
        let is_permitted = |scopes| token.widened_beyond(scopes).is_empty();
        Self {
            is_bound: permitted.is_some(),
            is_permitted: permitted.is_some_and(is_permitted),
            has_ended: ended.contains(&token.id),
            token: token.clone(),
        }
    }
}

/// How authenticate answers a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Issue this token, refreshed if need be.
    Use(TokenId),
    /// Ask the person whether the agent may use what is stored: this token,
    /// where one was named.
    Connect(Option<TokenId>),
    /// Ask the person for these scopes, and renew this token in place.
    Renew(TokenId, Scopes),
    /// Ask the person for a new token.
    New,
}

/// Decides about a request without `token_id` and `force_new`. The default of
/// `agent`, which asks, comes before other defaults.
pub(super) fn decide(
    wanted: &Scopes,
    agent: Option<&AgentId>,
    mut candidates: Vec<Candidate>,
    now: Timestamp,
) -> Decision {
    candidates.sort_by_key(|Candidate { token, .. }| {
        let is_own_default = token.is_default && token.agent_id.as_ref() == agent;
        (!is_own_default, preference(token))
    });
    let serves = |candidate: &&Candidate| {
        let token = &candidate.token;
        !candidate.has_ended && token.is_usable(now) && token.satisfies(wanted)
    };
    let mut permitted = candidates.iter().filter(|candidate| candidate.is_permitted);
    if let Some(candidate) = permitted.find(&serves) {
        return Decision::Use(candidate.token.id);
    }
    if agent.is_some() && candidates.iter().any(|candidate| serves(&candidate)) {
        return Decision::Connect(None);
    }
    // An active grant is widened in preference to renewing one that has ended.
    let bound = || candidates.iter().filter(|candidate| candidate.is_bound);
    let renewable = bound()
        .find(|candidate| candidate.token.state == State::Active)
        .or_else(|| bound().next());
    renewable.map_or(Decision::New, |Candidate { token, .. }| {
        Decision::Renew(token.id, wanted.union(&token.requested))
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::token::tests::token;

    fn now() -> Timestamp {
        Timestamp::from_millis(0).plus_seconds(10)
    }

    /// A token with scopes `a` and `b`, the permitted default.
    fn candidate(id: u128) -> Candidate {
        let token = Token {
            id: TokenId::new(Uuid::from_u128(id)),
            ..token(Some(3600))
        };
        Candidate {
            token,
            is_bound: true,
            is_permitted: true,
            has_ended: false,
        }
    }

    fn id(id: u128) -> TokenId {
        TokenId::new(Uuid::from_u128(id))
    }

    fn bot() -> AgentId {
        AgentId::parse("bot").unwrap()
    }

    fn a() -> Scopes {
        Scopes::new(["a"])
    }

    #[test]
    fn nothing_stored_asks_for_a_new_token() {
        assert_eq!(decide(&a(), None, vec![], now()), Decision::New);
        assert_eq!(decide(&a(), Some(&bot()), vec![], now()), Decision::New);
    }

    #[test]
    fn the_users_own_token_is_used() {
        assert_eq!(
            decide(&a(), None, vec![candidate(1)], now()),
            Decision::Use(id(1))
        );
    }

    #[test]
    fn the_default_comes_first_then_the_most_recently_used() {
        let mut tokens: Vec<_> = (1..=3).map(candidate).collect();
        tokens[0].token.is_default = false;
        tokens[1].token.is_default = false;
        tokens[1].token.used_at = Some(now());
        assert_eq!(
            decide(&a(), None, tokens.clone(), now()),
            Decision::Use(id(3))
        );
        tokens.pop();
        assert_eq!(decide(&a(), None, tokens, now()), Decision::Use(id(2)));
    }

    #[test]
    fn an_agents_own_default_comes_before_the_users() {
        let (users, mut agents) = (candidate(1), candidate(2));
        agents.token.agent_id = Some(bot());
        let both = || vec![users.clone(), agents.clone()];
        assert_eq!(
            decide(&a(), Some(&bot()), both(), now()),
            Decision::Use(id(2))
        );
        assert_eq!(decide(&a(), None, both(), now()), Decision::Use(id(1)));
    }

    #[test]
    fn another_agents_token_leads_to_the_consent_page() {
        let mut stored = candidate(1);
        (stored.is_bound, stored.is_permitted) = (false, false);
        assert_eq!(
            decide(&a(), Some(&bot()), vec![stored], now()),
            Decision::Connect(None)
        );
    }

    #[test]
    fn a_token_widened_beyond_the_permission_leads_to_the_consent_page() {
        let mut stored = candidate(1);
        stored.is_permitted = false;
        let decided = |wanted: &Scopes| {
            let stored = vec![stored.clone()];
            decide(wanted, Some(&bot()), stored, now())
        };
        assert_eq!(decided(&a()), Decision::Connect(None));
        // It is still the one that a flow for more scopes renews.
        let more = decided(&Scopes::new(["c"]));
        assert!(matches!(more, Decision::Renew(..)), "{more:?}");
    }

    #[test]
    fn an_agents_token_does_not_serve_the_user_without_agent() {
        let mut stored = candidate(1);
        (stored.is_bound, stored.is_permitted) = (false, false);
        assert_eq!(decide(&a(), None, vec![stored], now()), Decision::New);
    }

    #[test]
    fn a_scope_never_asked_for_renews_in_place_with_the_union() {
        let decision = decide(&Scopes::new(["c"]), None, vec![candidate(1)], now());
        assert_eq!(
            decision,
            Decision::Renew(id(1), Scopes::new(["a", "b", "c"]))
        );
    }

    #[test]
    fn a_scope_asked_for_and_not_granted_does_not_ask_again() {
        assert_eq!(
            decide(&Scopes::new(["b"]), None, vec![candidate(1)], now()),
            Decision::Use(id(1))
        );
    }

    #[test]
    fn a_grant_that_has_ended_is_renewed_in_place() {
        let mut stored = candidate(1);
        stored.token.state = State::ReauthorizationRequired {
            reason: "invalid_grant".into(),
        };
        let decision = decide(&a(), None, vec![stored], now());
        assert_eq!(decision, Decision::Renew(id(1), Scopes::new(["a", "b"])));
    }

    #[test]
    fn an_expired_token_without_refresh_token_is_not_used() {
        let mut stored = candidate(1);
        stored.token.is_refreshable = false;
        let late = now().plus_seconds(3600);
        assert!(matches!(
            decide(&a(), None, vec![stored], late),
            Decision::Renew(..)
        ));
    }
}
