//! A log line that a peer can cause is written by `log_limited!`, so that no peer
//! fills the disk.

use std::fs;

use crate::layers::{files, source};

/// The modules that do something because a peer, a browser or a provider asks or
/// answers.
const MODULES: &[&str] = &[
    "server",
    "http",
    "redirect",
    "broker",
    "vault",
    "cli/bridge",
];

/// Lines that are written without a bound, each with the words that tell it, and
/// why no peer can cause many of them.
const UNBOUNDED: &[(&str, &str, &str)] = &[
    (
        "server.rs",
        "some requests did not end in time and were cut off",
        "once per listener, at a stop",
    ),
    (
        "server/connection_quota.rs",
        "a user has too many connections; further ones are refused",
        "bounded per user there: each user's refusals are counted apart",
    ),
    (
        "http/socket.rs",
        "the queue of connections keeps its length",
        "once, when the socket is opened",
    ),
    (
        "http/socket/place.rs",
        "",
        "once, when the socket is opened",
    ),
    (
        "redirect/listener.rs",
        "the other address family is not available",
        "once, when the port is opened",
    ),
    (
        "redirect/listener.rs",
        "the queue of connections keeps its length",
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
    ("vault/rotation.rs", "", "once, at a start or by a command"),
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

/// Log lines of level info and above that a text writes without a bound, each
/// from its macro's name to the end of its statement.
fn unbounded(text: &str) -> Vec<&str> {
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

/// Every such line of the modules, with its file's name below `src`.
fn all_unbounded() -> Vec<(String, String)> {
    let files = MODULES.iter().flat_map(|module| files(module));
    let lines = files.flat_map(|file| {
        let text = fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(source()).unwrap().to_str().unwrap();
        let lines = unbounded(&text).into_iter();
        let named = lines.map(|line| (name.to_owned(), line.to_owned()));
        named.collect::<Vec<_>>()
    });
    lines.collect()
}

#[test]
fn a_log_line_that_a_peer_can_cause_is_bounded() {
    for (file, line) in all_unbounded() {
        let is_known = UNBOUNDED
            .iter()
            .any(|(known, words, _)| *known == file && line.contains(words));
        assert!(
            is_known,
            "src/{file}: write this line by `log_limited!`, or add it to the list with \
             the reason why no peer can cause many of it:\n{line}"
        );
    }
}

#[test]
fn the_list_of_unbounded_log_lines_names_none_that_is_gone() {
    let all = all_unbounded();
    for (file, words, reason) in UNBOUNDED {
        assert!(!reason.is_empty(), "{file}: {words}");
        let is_there = all
            .iter()
            .any(|(found, line)| found == file && line.contains(words));
        assert!(is_there, "{file}: {words}");
    }
}

#[test]
fn an_unbounded_log_line_is_seen_however_it_is_written() {
    for text in [
        "tracing::warn!(error = %error, \"x\");",
        "tracing::error!(\n    place,\n    \"x\"\n);",
        "use tracing::info;\nfn f() { info!(\"x\"); }",
        "match a { _ => tracing::info!(\"x\"), }",
    ] {
        assert_eq!(unbounded(text).len(), 1, "{text}");
        assert!(unbounded(text)[0].contains("\"x\""), "{text}");
    }
    for text in [
        "log_limited!(1, warn, error = %error, \"x\");",
        "tracing::debug!(\"x\");",
    ] {
        assert!(unbounded(text).is_empty(), "{text}");
    }
}
