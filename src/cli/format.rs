//! Formats times, counts and commands for a person.

use crate::api::replies::TokenSummary;
use crate::cli::TokenQuery;
use crate::clock::Timestamp;
use crate::shell::quoted;

/// The units of a time span in seconds, largest first.
const UNITS: [(i64, &str); 4] = [
    (86_400, "day"),
    (3_600, "hour"),
    (60, "minute"),
    (1, "second"),
];

/// A time relative to `now`: `in 59 minutes`, `2 days ago`; `never` for `None`.
pub(super) fn expiry(expires_at: Option<Timestamp>, now: Timestamp) -> String {
    let Some(expires_at) = expires_at else {
        return "never".to_owned();
    };
    match expires_at.millis_since(now) {
        left if left.abs() < 1000 => "now".to_owned(),
        left if left > 0 => format!("in {}", span(left / 1000)),
        left => format!("{} ago", span(-left / 1000)),
    }
}

/// The last refreshes of a token and the time of the next one, relative to `now`;
/// empty if none is known.
pub(super) fn refreshes(token: &TokenSummary, now: Timestamp) -> String {
    let at = |time: Timestamp| expiry(Some(time), now);
    let mut clauses = Vec::new();
    if let Some(refreshed_at) = token.refreshed_at {
        clauses.push(format!("refreshed {}", at(refreshed_at)));
    }
    if let (Some(error), Some(failed_at)) = (&token.last_error, token.last_error_at) {
        clauses.push(format!("failed {} ({error})", at(failed_at)));
    }
    if let Some(next) = token.next_refresh_at {
        let when = if next > now {
            at(next)
        } else {
            "now".to_owned()
        };
        clauses.push(format!("next refresh {when}"));
    }
    clauses.join(", ")
}

/// A time span in its largest whole unit: `1 hour`, `59 minutes`.
pub(super) fn span(seconds: i64) -> String {
    let unit = UNITS.iter().find(|(length, _)| seconds >= *length);
    let (length, name) = unit.unwrap_or(&(1, "second"));
    count(u64::try_from(seconds / length).unwrap_or(0), name)
}

/// A number and its noun: `no tokens`, `1 token`, `2 tokens`.
pub(super) fn count(number: u64, noun: &str) -> String {
    match number {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// The command that logs in for this token.
pub(super) fn login_command(query: &TokenQuery) -> String {
    let mut command = format!("agent-auth login {}", query.provider);
    let scopes = query.scopes.iter().map(|scope| ("--scope", scope.as_str()));
    let user = query.user.iter().map(|user| ("--user", user.as_str()));
    let agent = query.agent.iter().map(|agent| ("--agent", agent.as_str()));
    for (flag, value) in scopes.chain(user).chain(agent) {
        command.push_str(&format!(" {flag} {}", quoted(value)));
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{ProviderId, UserId};

    #[test]
    fn a_time_is_shown_in_its_largest_unit() {
        let now = Timestamp::from_millis(0);
        let shown = |seconds| expiry(Some(now.plus_seconds(seconds)), now);
        assert_eq!(shown(1), "in 1 second");
        assert_eq!(shown(3_599), "in 59 minutes");
        assert_eq!(shown(3_600), "in 1 hour");
        assert_eq!(shown(172_800), "in 2 days");
        assert_eq!(shown(-90), "1 minute ago");
        assert_eq!(shown(0), "now");
        assert_eq!(expiry(None, now), "never");
    }

    #[test]
    fn the_login_command_can_be_pasted_into_a_shell() {
        let query = TokenQuery {
            provider: ProviderId::parse("google").unwrap(),
            scopes: vec!["https://x.example/a.b".into(), "two words".into()],
            user: UserId::parse("ada b"),
            agent: None,
        };
        assert_eq!(
            login_command(&query),
            "agent-auth login google --scope https://x.example/a.b --scope 'two words' --user 'ada b'"
        );
    }
}
