//! Names and values of an authorization request that a provider's owner sets.

/// Parameters of the authorization request that `authorization_params` may not
/// set. Each is made for the one flow it belongs to, or changes where the answer
/// goes, in which form, or for which client and person.
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

/// The most that the names and values of the fixed parameters take together, in
/// bytes.
pub const LONGEST_PARAMETERS: usize = 8 * 1024;

/// Why a parameter cannot be fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// It is not of the letters of RFC 6749, section 8.2.
    #[error("a parameter's name has letters, digits, hyphens, dots and underscores only")]
    Name,
    /// It is one of [`RESERVED_PARAMETERS`].
    #[error("this parameter is set by each flow and cannot be fixed")]
    Reserved,
}

/// Checks the name of a parameter that a provider's owner fixes.
///
/// # Errors
/// [`ParameterError`] says why it cannot be fixed.
pub fn check_parameter_name(name: &str) -> Result<(), ParameterError> {
    if !is_parameter_name(name) {
        return Err(ParameterError::Name);
    }
    if is_reserved_parameter(name) {
        return Err(ParameterError::Reserved);
    }
    Ok(())
}

/// What a client identifier may be, in the words of the served document: VSCHAR
/// (RFC 6749, appendix A.1), and no longer than an address (a client may be
/// identified by the address of its metadata).
pub const CLIENT_ID_PATTERN: &str = "^[ -~]{1,2048}$";

/// The longest client identifier, in characters.
const LONGEST_CLIENT_ID: usize = 2048;

/// Whether `name` is one of [`RESERVED_PARAMETERS`] to some server: many take
/// names in any case, and PHP reads a dot as an underscore.
#[must_use]
pub fn is_reserved_parameter(name: &str) -> bool {
    let name = name.replace('.', "_");
    RESERVED_PARAMETERS
        .iter()
        .any(|reserved| reserved.eq_ignore_ascii_case(&name))
}

/// Whether `name` can be a parameter's (RFC 6749, section 8.2).
#[must_use]
pub fn is_parameter_name(name: &str) -> bool {
    let is_name_char = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !name.is_empty() && name.bytes().all(is_name_char)
}

/// Whether `text` can identify a client.
#[must_use]
pub fn is_client_id(text: &str) -> bool {
    let is_vschar = |byte: u8| (b' '..=b'~').contains(&byte);
    (1..=LONGEST_CLIENT_ID).contains(&text.len()) && text.bytes().all(is_vschar)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_parameter_is_reserved_however_a_server_reads_it() {
        for name in ["state", "State", "REQUEST_URI", "response.mode", "nonce"] {
            assert!(is_reserved_parameter(name), "{name}");
        }
        for name in ["prompt", "resource", "login_hint", "request_id", "audience"] {
            assert!(!is_reserved_parameter(name), "{name}");
        }
    }

    #[test]
    fn a_parameters_name_is_of_the_rfcs_letters() {
        for name in ["prompt", "x-a", "a.b", "0"] {
            assert!(is_parameter_name(name), "{name}");
        }
        for name in ["", "redirect_uri[]", " state", "state\0", "a b", "ä"] {
            assert!(!is_parameter_name(name), "{name:?}");
        }
    }

    #[test]
    fn a_client_identifier_is_one_line_of_sane_length() {
        for id in ["c", "a b~", &"x".repeat(2048)] {
            assert!(is_client_id(id), "{id}");
        }
        for id in ["", "a\nb", "a\u{200b}", "é", &"x".repeat(2049)] {
            assert!(!is_client_id(id), "{id:?}");
        }
    }
}
