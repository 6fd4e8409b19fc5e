//! Validation of the URLs that callers supply: OAuth endpoints and redirect URIs.
//!
//! Secrets are sent to these URLs, so URLs that are spelled to look like others
//! are rejected. The addresses of host names are checked when they are resolved
//! (`oauth/discovery/address_policy.rs`).

use url::{Host, Url};

/// The longest URL, in characters: all browsers and servers accept this length.
pub const LONGEST_ADDRESS: usize = 2048;

/// The most redirect URIs that a provider can allow.
pub const MOST_REDIRECT_URIS: usize = 100;

/// Schemes that browsers handle themselves, so that no app receives the redirect.
const BROWSER_SCHEMES: [&str; 6] = ["about", "blob", "data", "file", "javascript", "vbscript"];

/// Why an address cannot be an OAuth endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It is not a URL.
    #[error("it is not a URL")]
    NotAUrl,
    /// The scheme is neither https, nor http with a loopback address.
    #[error("it must be https (http is allowed for a loopback address only)")]
    Insecure,
    /// It has a `#fragment` (RFC 6749, section 3.1).
    #[error("it must not have a fragment")]
    Fragment,
    /// It has a `user:password@` part.
    #[error("it must not have a user name or password")]
    UserInfo,
    /// Its spelling hides the host that it names.
    #[error("it must be spelled out in ASCII, with the host in its usual form")]
    Obscure,
}

/// Parses the URL of an OAuth endpoint: https, or http with a loopback address,
/// without fragment and user name.
///
/// # Errors
/// [`EndpointError`] says which rule the URL violates.
pub fn parse_endpoint(text: &str) -> Result<Url, EndpointError> {
    let url = Url::parse(text).map_err(|_| EndpointError::NotAUrl)?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        _ => return Err(EndpointError::Insecure),
    }
    if url.fragment().is_some() {
        return Err(EndpointError::Fragment);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(EndpointError::UserInfo);
    }
    if !is_plain(text, &url) {
        return Err(EndpointError::Obscure);
    }
    Ok(url)
}

/// Checks a redirect URI: absolute and without a fragment (RFC 6749, section
/// 3.1.2). Returns it unchanged, because redirect URIs are compared as strings.
///
/// # Errors
/// [`EndpointError`] says which rule the URI violates.
pub fn parse_redirect(text: &str) -> Result<String, EndpointError> {
    let url = Url::parse(text).map_err(|_| EndpointError::NotAUrl)?;
    if url.fragment().is_some() {
        return Err(EndpointError::Fragment);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(EndpointError::UserInfo);
    }
    // Some parsers read a backslash as a slash.
    if text.contains('\\') {
        return Err(EndpointError::Obscure);
    }
    let is_valid = match url.scheme() {
        "http" | "https" => is_plain(text, &url),
        // The scheme of an app, such as `vscode:` or `com.example.app:`.
        scheme => {
            !BROWSER_SCHEMES.contains(&scheme) && text.bytes().all(|byte| byte.is_ascii_graphic())
        }
    };
    is_valid
        .then(|| text.to_owned())
        .ok_or(EndpointError::Obscure)
}

/// Whether `text` is a loopback redirect URI (RFC 8252, section 7.3) in the usual
/// spelling.
#[must_use]
pub fn is_loopback_redirect(text: &str) -> bool {
    parse_redirect(text).is_ok_and(|text| {
        Url::parse(&text).is_ok_and(|url| url.scheme() == "http" && is_loopback(&url))
    })
}

/// Whether the URL connects to the host that a person reads in it: `text` is
/// visible ASCII, and its host is spelled as the parser returns it. False for
/// hosts such as `0x7f.1`, invisible characters, missing slashes and backslashes.
fn is_plain(text: &str, url: &Url) -> bool {
    let Some((_, rest)) = text.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = url.host_str().unwrap_or_default();
    let (Some(name), Some(port)) = (authority.get(..host.len()), authority.get(host.len()..))
    else {
        return false;
    };
    let is_host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
    text.bytes().all(|byte| byte.is_ascii_graphic())
        && name.eq_ignore_ascii_case(host)
        && name.bytes().all(is_host_byte)
        && !name.contains("..")
        && !name.starts_with('.')
        && (port.is_empty() || is_port(port))
}

/// Whether `text` is a colon followed by at least one digit.
fn is_port(text: &str) -> bool {
    text.strip_prefix(':').is_some_and(|digits| {
        !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
    })
}

/// Whether the host of a URL is 127.0.0.0/8, `[::1]` or `localhost`.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_https_or_loopback() {
        for good in [
            "https://example.com/token",
            "http://127.0.0.1:3000/token",
            "http://[::1]/t",
            "http://localhost/t",
        ] {
            assert!(parse_endpoint(good).is_ok(), "{good}");
        }
        assert_eq!(
            parse_endpoint("example.com/token"),
            Err(EndpointError::NotAUrl)
        );
        assert_eq!(
            parse_endpoint("http://example.com/token"),
            Err(EndpointError::Insecure)
        );
        assert_eq!(
            parse_endpoint("http://localhost.example.com/"),
            Err(EndpointError::Insecure)
        );
        assert_eq!(
            parse_endpoint("javascript:alert(1)"),
            Err(EndpointError::Insecure)
        );
        assert_eq!(
            parse_endpoint("https://example.com/#x"),
            Err(EndpointError::Fragment)
        );
        assert_eq!(
            parse_endpoint("https://me:pw@example.com/"),
            Err(EndpointError::UserInfo)
        );
    }

    #[test]
    fn an_endpoint_shows_the_host_that_it_connects_to() {
        for good in [
            "https://Accounts.Example.com:8443/o?x=1",
            "https://xn--bcher-kva.example/",
            "https://under_score.example.",
            "https://[2001:db8::1]:443",
            "https://192.0.2.1/\\",
        ] {
            assert!(parse_endpoint(good).is_ok(), "{good}");
        }
        for obscure in [
            "https://bücher.example/",
            "https://0x7f.1/",
            "https://1/",
            "https:example.com",
            "https:/example.com",
            "https:\\\\example.com",
            "https://exam\tple.com/",
            "https://example.com/ ",
            "https://%65xample.com/",
            "https://@example.com/",
            "https://a..b/",
            "https://a*b/",
            "https://example.com:/",
            "http://[0::1]/",
        ] {
            assert_eq!(
                parse_endpoint(obscure),
                Err(EndpointError::Obscure),
                "{obscure}"
            );
        }
    }

    #[test]
    fn only_the_usual_spelling_of_loopback_is_accepted() {
        for good in [
            "http://127.0.0.1:3000/back?x=1",
            "http://127.0.0.1",
            "http://[::1]:3000/back",
            "http://localhost:3000/back",
        ] {
            assert!(is_loopback_redirect(good), "{good}");
        }
        for bad in [
            "https://127.0.0.1/back",
            "http://127.0.0.1:3000/#x",
            "http://me@127.0.0.1:3000/",
            "http://me:pw@127.0.0.1:3000/",
            "http://@127.0.0.1/",
            "http://127.0.0.1\\@evil.example/",
            "http:\\\\127.0.0.1/",
            "http:/127.0.0.1/",
            "http:127.0.0.1/",
            "http://0x7f.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0177.0.0.1/",
            "http://127.0.0.1./",
            "http://127。0。0。1/",
            "http://127\u{ff0e}0\u{ff0e}0\u{ff0e}1/",
            "http://１２７.0.0.1/",
            "http://%31%32%37.0.0.1/",
            "http://loc\talhost/",
            "http://localhost\n/",
            " http://127.0.0.1/",
            "http://127.0.0.1/\u{200b}",
            "http://[0:0::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://127.0.0.1:/",
            "http://localhost.example.com/",
            "http://ｌocalhost/",
        ] {
            assert!(!is_loopback_redirect(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_redirect_uri_has_a_web_or_an_app_scheme() {
        for good in [
            "https://app.example.com/back?x=1",
            "http://intranet/back",
            "com.example.app://back",
            "app:/back",
        ] {
            assert_eq!(parse_redirect(good).as_deref(), Ok(good));
        }
        for (bad, error) in [
            ("/back", EndpointError::NotAUrl),
            ("https://app.example.com/#x", EndpointError::Fragment),
            ("javascript:alert(1)", EndpointError::Obscure),
            ("https://me@app.example.com/", EndpointError::UserInfo),
            ("app://me@back/", EndpointError::UserInfo),
            (
                "https://app.example.com\\@evil.example/",
                EndpointError::Obscure,
            ),
            ("https://app.example.com/back\\", EndpointError::Obscure),
        ] {
            assert_eq!(parse_redirect(bad), Err(error), "{bad}");
        }
    }
}
