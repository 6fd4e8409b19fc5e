//! Log lines that a peer can cause must use `log_limited!`, so that no peer can fill
//! the disk.

use std::fs;

use crate::layers::{files, source};

/// The modules that handle requests and replies of peers, browsers and providers.
const MODULES: &[&str] = &[
    "server",
    "http",
    "redirect",
    "broker",
    "vault",
    "cli/bridge",
];

/// Log lines without a rate limit: the file, a part of the line, and the reason why no
/// peer can cause many of them.
const UNLIMITED: &[(&str, &str, &str)] = &[
    (
        "server.rs",
        "aborted requests that did not finish before the shutdown deadline",
        "once per listener, at a stop",
    ),
    (
        "server/connection_quota.rs",
        "a user has too many connections; refusing further ones",
        "limited there for each user",
    ),
    ("http/socket/path.rs", "", "once, when the socket is opened"),
    (
        "redirect/listener.rs",
        "the other address family is not available",
        "once, when the port is opened",
    ),
    (
        "redirect/listener.rs",
        "cannot lengthen the accept queue",
        "once, when the port is opened",
    ),
    (
        "broker.rs",
        "logins that a restart has cut off were not ended",
        "once, at a start",
    ),
    (
        "broker.rs",
        "when tokens were last used was not written down",
        "once, at a stop",
    ),
    (
        "broker/maintenance.rs",
        "the vault was backed up",
        "once a day",
    ),
    (
        "broker/maintenance.rs",
        "the vault was not backed up; trying again later",
        "twice a minute at most, by a timer",
    ),
    (
        "broker/maintenance.rs",
        "the vault was not tidied; trying again later",
        "twice a minute at most, by a timer",
    ),
    (
        "broker/refresher/health.rs",
        "the machine slept, or its clock was set; catching up",
        "only root can set the clock or put the machine to sleep",
    ),
    (
        "broker/revoker.rs",
        "a grant cannot be revoked: its row is damaged",
        "at a start, for rows that were damaged in the file",
    ),
    (
        "broker/revoker.rs",
        "revoking grants of deleted tokens",
        "once, at a start",
    ),
    ("vault/opening.rs", "", "once, at a start"),
    ("vault/resealing.rs", "", "once, at a start or by a command"),
    (
        "vault/row_authentication/upgrade.rs",
        "",
        "at the first start after an upgrade",
    ),
    (
        "vault/survey.rs",
        "the survey of stored rows failed",
        "twice a minute at most, by a timer",
    ),
    (
        "vault/rows.rs",
        "a stored row cannot be read and is omitted",
        "once for each row that was damaged in the file",
    ),
];

/// The log statements of level info and above in a source text that have no rate
/// limit.
fn unlimited(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for name in ["info!", "warn!", "error!"] {
        for (at, _) in text.match_indices(name) {
            let is_whole_name = !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            if is_whole_name {
                let rest = &text[at..];
                let end = rest.find(");").or_else(|| rest.find("),"));
                found.push(&rest[..end.unwrap_or(rest.len())]);
            }
        }
    }
    found
}

/// All log statements without a rate limit, with the path below `src`.
fn all_unlimited() -> Vec<(String, String)> {
    let files = MODULES.iter().flat_map(|module| files(module));
    let lines = files.flat_map(|file| {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(source()).unwrap().to_str().unwrap();
        let lines = unlimited(&text).into_iter();
        let named = lines.map(|line| (name.to_owned(), line.to_owned()));
        named.collect::<Vec<_>>()
    });
    lines.collect()
}

#[test]
fn log_lines_that_a_peer_can_cause_are_rate_limited() {
    for (file, line) in all_unlimited() {
        let is_known = UNLIMITED
            .iter()
            .any(|(known, words, _)| *known == file && line.contains(words));
        assert!(
            is_known,
            "src/{file}: use `log_limited!` for this line, or add it to the list with \
             the reason why no peer can cause many of them:\n{line}"
        );
    }
}

#[test]
fn the_list_of_unlimited_log_lines_is_up_to_date() {
    let all = all_unlimited();
    for (file, words, reason) in UNLIMITED {
        assert!(!reason.is_empty(), "{file}: {words}");
        let is_there = all
            .iter()
            .any(|(found, line)| found == file && line.contains(words));
        assert!(is_there, "{file}: {words}");
    }
}

#[test]
fn an_unlimited_log_line_is_found_in_every_notation() {
    for text in [
        "tracing::warn!(error = %error, \"x\");",
        "tracing::error!(\n    place,\n    \"x\"\n);",
        "use tracing::info;\nfn f() { info!(\"x\"); }",
        "match a { _ => tracing::info!(\"x\"), }",
    ] {
        assert_eq!(unlimited(text).len(), 1, "{text}");
        assert!(unlimited(text)[0].contains("\"x\""), "{text}");
    }
    for text in [
        "log_limited!(1, warn, error = %error, \"x\");",
        "tracing::debug!(\"x\");",
    ] {
        assert!(unlimited(text).is_empty(), "{text}");
    }
}
