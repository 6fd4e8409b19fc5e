//! The challenges of a `WWW-Authenticate` header (RFC 9110, section 11.6.1; RFC
//! 9728, section 5.1).
//!
//! The parser is lenient: servers send URLs without quotes, omit the closing
//! quote, and mix schemes with `token68` credentials. It finds one parameter and
//! skips what it does not understand.

use oauth2::http::HeaderMap;
use oauth2::http::header::WWW_AUTHENTICATE;

/// The `resource_metadata` parameter, the address of the resource's metadata.
pub(super) fn resource_metadata(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .find_map(|challenges| parameter(challenges, "resource_metadata"))
}

/// The first parameter named `wanted` in any of the challenges.
fn parameter(challenges: &str, wanted: &str) -> Option<String> {
    let mut rest = challenges;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_token(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let Some(value) = after.trim_start().strip_prefix('=') else {
            // The name of a scheme, or a separator.
            rest = after.trim_start_matches(|c| !is_token(c));
            continue;
        };
        let (value, after) = read_value(value.trim_start());
        if word.eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = after.trim_start_matches(|c| !is_token(c));
    }
    None
}

/// Reads a quoted string, or a word that ends before the next comma, space or tab.
/// Returns it with the rest of the text.
fn read_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameter_is_found_in_any_challenge_and_spelling() {
        for header in [
            r#"Bearer resource_metadata="https://a/b""#,
            r#"Bearer error="invalid_token", error_description="no \"resource_metadata=x\" here", resource_metadata="https://a/b""#,
            "Bearer realm=x,Resource_Metadata = https://a/b, scope=y",
            r#"Basic realm="x", Negotiate YWJj==, Bearer scope="a b" , resource_metadata="https:\/\/a/b", x=y"#,
            r#", ,Bearer resource_metadata="https://a/b"#,
        ] {
            let found = parameter(header, "resource_metadata");
            assert_eq!(found.as_deref(), Some("https://a/b"), "{header}");
        }
    }

    #[test]
    fn nothing_is_found_without_the_parameter() {
        for header in [
            "",
            "Bearer",
            "=\"",
            r#"Bearer error="resource_metadata=https://a/b""#,
            r#"Bearer x_resource_metadata="https://a/b""#,
            "é=é, Bearer",
        ] {
            assert_eq!(parameter(header, "resource_metadata"), None, "{header}");
        }
    }
}
