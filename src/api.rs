//! The JSON of the contract: requests and replies.
//!
//! Requests are converted to domain types here, and all validation errors are found
//! in one pass (`api/validate.rs`). Replies are plain structs that the daemon
//! serializes and the client parses. This module knows no status codes. Secrets of
//! a request get a secret type when they are parsed, and access tokens are
//! serialized in one place (`api/replies/token.rs`).

pub mod replies;
pub mod requests;
pub mod validate;

/// The OpenAPI document of the contract, which `GET /openapi.json` serves. It is
/// written by hand. A test compares its paths with `http/routes.rs`, and
/// `tests/e2e/test_golden.py` compares its schemas with replies.
pub const DOCUMENT: &str = include_str!("api/openapi.json");

/// The header of `GET /vault` with the path of the vault's folder.
pub const FOLDER_HEADER: &str = "agent-auth-vault-folder";

/// The header of a reply to the deletion of a token: the identifiers of other tokens
/// of the same client and account, separated by commas. Many providers revoke them
/// too. Contains at most [`MAX_ALSO_ENDED`].
pub const ALSO_ENDED_HEADER: &str = "agent-auth-also-ended";

/// The most tokens in [`ALSO_ENDED_HEADER`].
pub const MAX_ALSO_ENDED: usize = 32;

/// The additions to the hosted API's contract that this daemon supports, sorted:
/// `features` of `GET /info`. Clients check for a name before they use the addition.
/// Names are never removed.
pub const FEATURES: &[&str] = &[
    // POST /v2/auth/flows/{auth_id}/browser-link.
    "browser_link",
    // GET and POST /v2/auth/flows/{auth_id}/follow-up.
    "follow_up",
    // `generation` in the metadata of a token.
    "generation",
    // `is_new` in the metadata of a flow.
    "is_new",
    // `iss` in the body of POST /v2/auth/callback/{provider_id} (RFC 9207).
    "iss",
    // `newer_than` in the body of POST /v2/auth/authenticate.
    "newer_than",
    // `try_now` in the body of POST /v2/auth/authenticate.
    "try_now",
];

#[cfg(test)]
mod tests {
    use super::FEATURES;

    /// Labels must not contain the characters that are escaped when shown.
    #[test]
    fn the_document_excludes_the_invisible_characters() {
        let document: serde_json::Value = serde_json::from_str(super::DOCUMENT).unwrap();
        let ranges = crate::visible::invisible_ranges().iter();
        let ranges: String = ranges
            .map(|(first, last)| format!("{first}-{last}"))
            .collect();
        let pattern = document["components"]["schemas"]["Label"]["pattern"].as_str();
        assert_eq!(pattern, Some(format!("^[^{ranges}]*$").as_str()));
    }

    #[test]
    fn features_are_sorted_and_unique() {
        assert!(FEATURES.is_sorted_by(|left, right| left < right));
    }
}
