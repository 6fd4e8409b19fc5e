//! The names of members and parameters whose values are secrets, in JSON, forms
//! and queries. Case is ignored.

/// Names of credentials in any JSON: a program that stores or logs such a member
/// leaks it.
const CREDENTIALS: [&str; 4] = [
    "client_secret",
    "access_token",
    "refresh_token",
    "code_verifier",
];

/// Names of secrets in an OAuth message that are ordinary words elsewhere.
const OAUTH_MESSAGE: [&str; 2] = ["code", "state"];

/// Parts of names in a token response whose values are secrets or give access to
/// something: Slack's `incoming_webhook` is an address that accepts posts from
/// everyone who knows it.
const RESPONSE_PARTS: [&str; 9] = [
    "token",
    "secret",
    "password",
    "assertion",
    "credential",
    "webhook",
    "api_key",
    "apikey",
    "jwt",
];

/// Whether a member with this name is a credential in any JSON.
#[must_use]
pub fn is_credential(name: &str) -> bool {
    is_one_of(name, &CREDENTIALS)
}

/// Whether a member with this name is a secret in an OAuth message.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    is_credential(name) || is_one_of(name, &OAUTH_MESSAGE)
}

/// Whether a member with this name may be a secret in a token response, which has
/// members that no standard names.
#[must_use]
pub fn may_be_secret_in_response(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    RESPONSE_PARTS.iter().any(|part| name.contains(part))
}

/// Whether a text, such as a form or JSON inside a string, names a secret. `code`
/// and `state` count only as the name of a parameter or of a member.
#[must_use]
pub fn mentions_secret(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    CREDENTIALS.iter().any(|name| text.contains(name))
        || OAUTH_MESSAGE
            .iter()
            .any(|name| text.contains(&format!("{name}=")) || text.contains(&format!("\"{name}\"")))
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_a_secret_in_an_oauth_message_only() {
        assert!(is_secret("Code") && is_secret("Refresh_Token"));
        assert!(is_credential("CLIENT_SECRET") && !is_credential("state"));
        assert!(!is_secret("token_type") && may_be_secret_in_response("token_type"));
    }

    #[test]
    fn a_text_mentions_a_secret_by_its_name() {
        for text in ["a=b&code=c", r#"{"State": 1}"#, "my ACCESS_TOKEN"] {
            assert!(mentions_secret(text), "{text}");
        }
        for text in ["a state of mind", "barcode", "decode it"] {
            assert!(!mentions_secret(text), "{text}");
        }
    }
}
