//! Why an authorization response or an exchange is refused, as an error code and a
//! description.

use crate::broker::commands::AuthorizationResponse;
use crate::flow::Flow;
use crate::oauth;
use crate::provider::Provider;

/// The error code of a flow whose provider could not be reached.
pub(super) const UNAVAILABLE: &str = "temporarily_unavailable";

/// The error code of a flow whose provider sent neither a code nor an error
/// that can be shown.
pub(super) const INVALID_RESPONSE: &str = "invalid_response";

/// The daemon's own error codes, whose descriptions are its own text. No provider's
/// error is stored under one of them.
const OWN_ERRORS: [&str; 4] = [
    "interrupted",
    "invalid_issuer",
    INVALID_RESPONSE,
    "provider_changed",
];

/// Whether this is the code of a flow that the daemon itself ended, not the provider
/// or the person.
#[must_use]
pub fn is_own_error(error: &str) -> bool {
    OWN_ERRORS.contains(&error)
}

/// A provider's error code as it is stored. One of the daemon's own is replaced, or
/// the provider's description would look like the daemon's.
fn providers_error(code: String) -> String {
    if is_own_error(&code) {
        "server_error".to_owned()
    } else {
        code
    }
}

/// Why a response is refused before its code is used; `None` if it is not.
pub(crate) fn refusal(
    provider: &Provider,
    flow: &Flow,
    response: &AuthorizationResponse,
) -> Option<(String, Option<String>)> {
    // RFC 9207, section 2.4, for errors too: a response of another server
    // must not even end a flow in that server's words.
    if let Some(issuer) = &provider.endpoints.issuer {
        let mixed_up = match &response.iss {
            Some(iss) => iss != issuer,
            None => provider.endpoints.sends_iss,
        };
        if mixed_up {
            let why = "the answer does not come from the provider that was asked";
            return Some(("invalid_issuer".to_owned(), Some(why.to_owned())));
        }
    }
    if let Some(error) = &response.error {
        let clean = |text: &String| Some(oauth::shown_text(text)).filter(|text| !text.is_empty());
        let description = response.error_description.as_ref().and_then(clean);
        let error = clean(error).map_or_else(|| "server_error".to_owned(), providers_error);
        return Some((error, description));
    }
    if flow.binding != provider.binding() {
        let why = "the provider was changed after this login began; start it again";
        return Some(("provider_changed".to_owned(), Some(why.to_owned())));
    }
    None
}

/// The error code and description of a refused exchange.
pub(super) fn refused_exchange(error: oauth::Error) -> (String, Option<String>) {
    match error {
        oauth::Error::InvalidGrant { description } => ("invalid_grant".to_owned(), description),
        oauth::Error::ClientRejected { code, description }
        | oauth::Error::Refused { code, description } => (providers_error(code), description),
        other => (INVALID_RESPONSE.to_owned(), Some(other.to_string())),
    }
}
