//! Validation of the client identifier and of the authorization parameters that
//! an owner configures for a provider.

/// Parameters of the authorization request that `authorization_params` may not
/// set. Each belongs to one flow, or changes the destination or form of the
/// response, the client, or the user.
pub(crate) const RESERVED_PARAMETERS: [&str; 20] = [
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "dpop_jkt",
    "id_token_hint",
    "nonce",
    "redirect_uri",
    "registration",
    "request",
    "request_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
    "web_message_target",
    "web_message_uri",
];

/// The largest total of names and values of `authorization_params`, in bytes.
pub const LONGEST_PARAMETERS: usize = 8 * 1024;

/// Why a parameter cannot be in `authorization_params`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// Its name is not valid (RFC 6749, section 8.2).
    #[error("a parameter's name has letters, digits, hyphens, dots and underscores only")]
    Name,
    /// It is one of [`RESERVED_PARAMETERS`].
    #[error("this parameter is set by each flow and cannot be fixed")]
    Reserved,
}

/// Checks the name of a parameter in `authorization_params`.
///
/// # Errors
/// [`ParameterError`] says why it is not allowed.
pub fn check_parameter_name(name: &str) -> Result<(), ParameterError> {
    if !is_parameter_name(name) {
        return Err(ParameterError::Name);
    }
    if is_reserved_parameter(name) {
        return Err(ParameterError::Reserved);
    }
    Ok(())
}

/// The pattern of client identifiers in the OpenAPI document: VSCHAR (RFC 6749,
/// appendix A.1), long enough for a URL (a client can be identified by the URL of
/// its metadata).
pub const CLIENT_ID_PATTERN: &str = "^[ -~]{1,2048}$";

/// The longest client identifier, in characters.
const LONGEST_CLIENT_ID: usize = 2048;

/// Whether some server reads `name` as one of [`RESERVED_PARAMETERS`]: many ignore
/// case, and PHP replaces dots by underscores.
#[must_use]
pub fn is_reserved_parameter(name: &str) -> bool {
    let name = name.replace('.', "_");
    RESERVED_PARAMETERS
        .iter()
        .any(|reserved| reserved.eq_ignore_ascii_case(&name))
}

/// Whether `name` is a valid parameter name (RFC 6749, section 8.2).
#[must_use]
pub fn is_parameter_name(name: &str) -> bool {
    let is_name_char = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !name.is_empty() && name.bytes().all(is_name_char)
}

/// Whether `text` is a valid client identifier.
#[must_use]
pub fn is_client_id(text: &str) -> bool {
    let is_vschar = |byte: u8| (b' '..=b'~').contains(&byte);
    (1..=LONGEST_CLIENT_ID).contains(&text.len()) && text.bytes().all(is_vschar)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_parameter_is_recognized_in_every_spelling() {
        for name in ["state", "State", "REQUEST_URI", "response.mode", "nonce"] {
            assert!(is_reserved_parameter(name), "{name}");
        }
        for name in ["prompt", "resource", "login_hint", "request_id", "audience"] {
            assert!(!is_reserved_parameter(name), "{name}");
        }
    }

    #[test]
    fn a_parameter_name_has_the_characters_of_the_rfc() {
        for name in ["prompt", "x-a", "a.b", "0"] {
            assert!(is_parameter_name(name), "{name}");
        }
        for name in ["", "redirect_uri[]", " state", "state\0", "a b", "ä"] {
            assert!(!is_parameter_name(name), "{name:?}");
        }
    }

    #[test]
    fn a_client_identifier_is_visible_ascii_of_limited_length() {
        for id in ["c", "a b~", &"x".repeat(2048)] {
            assert!(is_client_id(id), "{id}");
        }
        for id in ["", "a\nb", "a\u{200b}", "é", &"x".repeat(2049)] {
            assert!(!is_client_id(id), "{id:?}");
        }
    }
}
