//! Times and commands in words for a person.

use crate::api::replies::TokenSummary;
use crate::cli::Wanted;
use crate::clock::Timestamp;

/// The units in which a time is told, largest first, in seconds.
const UNITS: [(i64, &str); 4] = [
    (86_400, "day"),
    (3_600, "hour"),
    (60, "minute"),
    (1, "second"),
];

/// When a token expires, seen from `now`: `in 59 minutes`, `2 days ago`, `never`.
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

/// How a token's refreshes went and when the next one is due, seen from `now`;
/// empty if there is nothing to say.
pub(super) fn refreshes(token: &TokenSummary, now: Timestamp) -> String {
    let at = |time: Timestamp| expiry(Some(time), now);
    let mut said = Vec::new();
    if let Some(refreshed_at) = token.refreshed_at {
        said.push(format!("refreshed {}", at(refreshed_at)));
    }
    if let (Some(error), Some(failed_at)) = (&token.last_error, token.last_error_at) {
        said.push(format!("failed {} ({error})", at(failed_at)));
    }
    if let Some(next) = token.next_refresh_at {
        let when = if next > now {
            at(next)
        } else {
            "now".to_owned()
        };
        said.push(format!("next refresh {when}"));
    }
    said.join(", ")
}

/// A span of time in its largest whole unit: `1 hour`, `59 minutes`.
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

/// The command that a person types to log in for the token that is `wanted`.
pub(super) fn login_command(wanted: &Wanted) -> String {
    let mut command = format!("agent-auth login {}", wanted.provider);
    let scopes = wanted
        .scopes
        .iter()
        .map(|scope| ("--scope", scope.as_str()));
    let user = wanted.user.iter().map(|user| ("--user", user.as_str()));
    let agent = wanted.agent.iter().map(|agent| ("--agent", agent.as_str()));
    for (flag, value) in scopes.chain(user).chain(agent) {
        command.push_str(&format!(" {flag} {}", quoted(value)));
    }
    command
}

/// `text` as one word of a POSIX shell (XCU, section 2.2).
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._:/@%+=,-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{ProviderId, UserId};

    #[test]
    fn an_expiry_is_told_in_its_largest_unit() {
        let now = Timestamp::from_millis(0);
        let told = |seconds| expiry(Some(now.plus_seconds(seconds)), now);
        assert_eq!(told(1), "in 1 second");
        assert_eq!(told(3_599), "in 59 minutes");
        assert_eq!(told(3_600), "in 1 hour");
        assert_eq!(told(172_800), "in 2 days");
        assert_eq!(told(-90), "1 minute ago");
        assert_eq!(told(0), "now");
        assert_eq!(expiry(None, now), "never");
    }

    #[test]
    fn the_login_command_can_be_pasted_into_a_shell() {
        let wanted = Wanted {
            provider: ProviderId::parse("google").unwrap(),
            scopes: vec!["https://x.example/a.b".into(), "two words".into()],
            user: UserId::parse("it's me"),
            agent: None,
        };
        assert_eq!(
            login_command(&wanted),
            r"agent-auth login google --scope https://x.example/a.b --scope 'two words' --user 'it'\''s me'"
        );
    }
}
