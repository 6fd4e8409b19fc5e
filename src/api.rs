//! The JSON of the contract: what each request says and what each reply holds.
//!
//! Bytes become domain types here, once, with every fault of a request found
//! in one pass (`api/validate.rs`); replies are plain structs that the daemon
//! fills and the client reads. No transport here: no status code, no header.
//! A secret of a request is wrapped as it is read, and an access token leaves
//! its wrapper in one place (`api/replies/token.rs`).

pub mod replies;
pub mod requests;
pub mod validate;

/// The contract as an OpenAPI document, which `GET /openapi.json` serves. It is
/// written by hand; `http/routes.rs` is held to its paths by a test, the JSON
/// of the answers by `tests/e2e/test_golden.py`.
pub const DOCUMENT: &str = include_str!("api/openapi.json");

/// The header of `GET /vault` that says in which folder the vault lies.
pub const FOLDER_HEADER: &str = "agent-auth-vault-folder";

/// The header of an answer to a deletion of one token that names other tokens,
/// by their identifiers with commas between them: those of the same client and
/// account, which many providers end when they revoke one. At most
/// [`MAX_ALSO_ENDED`] are named.
pub const ALSO_ENDED_HEADER: &str = "agent-auth-also-ended";

/// How many tokens [`ALSO_ENDED_HEADER`] names at most.
pub const MAX_ALSO_ENDED: usize = 32;

/// The additions to the hosted API's contract that this daemon knows, sorted:
/// `features` of `GET /info`. A client looks a name up before it relies on the
/// addition. A name is never taken away.
pub const FEATURES: &[&str] = &[
    // POST /v2/auth/flows/{auth_id}/browser-link.
    "browser_link",
    // GET and POST /v2/auth/flows/{auth_id}/follow-up.
    "follow_up",
    // `generation` in the metadata of a token that is handed out.
    "generation",
    // `is_new` in the metadata of an answer that names a flow.
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

    /// A label is refused for the characters that are shown written out.
    #[test]
    fn the_document_refuses_the_characters_that_are_invisible() {
        let document: serde_json::Value = serde_json::from_str(super::DOCUMENT).unwrap();
        let ranges = crate::visible::invisible_ranges().iter();
        let ranges: String = ranges
            .map(|(first, last)| format!("{first}-{last}"))
            .collect();
        let pattern = document["components"]["schemas"]["Label"]["pattern"].as_str();
        assert_eq!(pattern, Some(format!("^[^{ranges}]*$").as_str()));
    }

    #[test]
    fn features_are_sorted_and_named_once() {
        assert!(FEATURES.is_sorted_by(|left, right| left < right));
    }
}
