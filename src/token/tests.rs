use uuid::Uuid;

use super::*;
use crate::identity::ProviderId;
use crate::provider::Source;

/// A token issued at 0 that lives `life` seconds.
pub(crate) fn token(life: Option<i64>) -> Token {
    let start = Timestamp::from_millis(0);
    Token {
        id: TokenId::new(Uuid::nil()),
        owner: Owner::from_uid(1000).unwrap(),
        provider: ProviderRef {
            source: Source::Owner,
            provider_id: ProviderId::parse("example").unwrap(),
        },
        binding: Binding {
            client_id: "client".into(),
            token_url: "https://example.com/".into(),
        },
        user_id: UserId::parse("me").unwrap(),
        agent_id: None,
        account_id: None,
        account_label: None,
        own_label: None,
        token_type: "Bearer".into(),
        granted: Scopes::new(["a"]),
        requested: Scopes::new(["a", "b"]),
        issued_at: start,
        expires_at: life.map(|seconds| start.plus_seconds(seconds)),
        is_refreshable: true,
        is_default: true,
        state: State::Active,
        generation: 1,
        metadata: Map::new(),
        created_at: start,
        updated_at: start,
        refreshed_at: None,
        failure: None,
        used_at: None,
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(0).plus_seconds(seconds)
}

#[test]
fn a_token_of_an_hour_is_stale_in_its_last_minute() {
    let token = token(Some(3600));
    assert_eq!(token.freshness(at(3539)), Freshness::Fresh);
    assert_eq!(token.freshness(at(3540)), Freshness::Stale);
    assert_eq!(token.freshness(at(3600)), Freshness::Dead);
}

#[test]
fn a_short_token_is_stale_in_its_last_tenth() {
    let token = token(Some(10));
    assert_eq!(token.freshness(at(8)), Freshness::Fresh);
    assert_eq!(token.freshness(at(9)), Freshness::Stale);
}

#[test]
fn a_clock_set_back_makes_a_token_stale_not_fresh() {
    assert_eq!(token(Some(3600)).freshness(at(-86_400)), Freshness::Stale);
    assert_eq!(token(Some(3600)).freshness(at(-30)), Freshness::Fresh);
}

#[test]
fn refreshes_are_spread_out_before_the_margin() {
    let due = |id: u128| {
        let id = TokenId::new(Uuid::from_u128(id));
        let token = Token {
            id,
            ..token(Some(3600))
        };
        token.due_at().unwrap().as_seconds()
    };
    let dues: std::collections::BTreeSet<_> = (0..100).map(|id| due(id * 7919)).collect();
    assert!(
        dues.iter().all(|due| (3240..=3540).contains(due)),
        "{dues:?}"
    );
    assert!(dues.len() > 50, "{dues:?}");
}

#[test]
fn a_failed_refresh_is_due_when_it_is_tried_again() {
    let mut token = token(Some(3600));
    token.failure = Some(Failure {
        error: String::new(),
        at: at(3540),
        retry_at: at(5000),
    });
    assert_eq!(token.due_at(), Some(at(5000)));
    token.is_refreshable = false;
    assert_eq!(token.due_at(), None);
}

#[test]
fn a_token_without_expires_in_lives_as_long_as_the_one_before() {
    let mut token = token(Some(5));
    assert_eq!(token.expiry_after(at(100)), Some(at(105)));
    token.issued_at = at(5);
    assert_eq!(token.expiry_after(at(100)), Some(at(3700)));
    token.expires_at = None;
    assert_eq!(token.expiry_after(at(100)), None);
}

#[test]
fn a_token_without_expiry_stays_fresh() {
    assert_eq!(token(None).freshness(at(i64::MAX)), Freshness::Fresh);
}

#[test]
fn requested_scopes_that_were_not_granted_satisfy_a_request() {
    let token = token(None);
    assert!(token.satisfies(&Scopes::new(["a", "b"])));
    assert!(!token.satisfies(&Scopes::new(["c"])));
    assert_eq!(token.missing_scopes(), Scopes::new(["b"]));
}
