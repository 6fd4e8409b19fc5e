//! What a `WWW-Authenticate` header says (RFC 9110, section 11.6.1; RFC 9728,
//! section 5.1).

use oauth2::http::HeaderMap;
use oauth2::http::header::WWW_AUTHENTICATE;

/// Where the challenges say that the resource's metadata is.
pub(super) fn resource_metadata(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .find_map(|challenges| parameter(challenges, "resource_metadata"))
}

/// The first parameter of that name, whichever challenge it belongs to.
fn parameter(challenges: &str, wanted: &str) -> Option<String> {
    let mut rest = challenges;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_token(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let Some(value) = after.trim_start().strip_prefix('=') else {
            // A scheme's name, or what stands between two words.
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

/// A quoted string, or a word up to the next comma or blank; and what follows.
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
    fn the_parameter_is_found_in_any_challenge_and_writing() {
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
    fn nothing_is_found_where_nothing_is_said() {
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
