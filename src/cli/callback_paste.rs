//! Reads the redirect address that a person pastes whose browser runs on another
//! machine.

use std::io::{BufRead as _, IsTerminal as _, stdin};

use nix::sys::termios::{FlushArg, tcflush};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use url::Url;
use zeroize::Zeroizing;

use crate::secret::{AuthorizationCode, State};

/// The parameters of a redirect (RFC 6749, section 4.1.2).
#[derive(Debug)]
pub(super) struct Redirect {
    /// The authorization code.
    pub(super) code: AuthorizationCode,
    /// The flow's state.
    pub(super) state: State,
    /// The issuer (RFC 9207), if it was sent.
    pub(super) iss: Option<String>,
}

/// Why a line cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    /// The line is not an address with a code and a state.
    #[error(
        "this is not the address that the browser was redirected to; that one starts with http and contains code= and state="
    )]
    NotARedirect,
    /// The provider refused the login (RFC 6749, section 4.1.2.1).
    #[error("the provider refused the login: {0}")]
    Refused(String),
}

/// The lines that a person types.
pub(super) type Lines = UnboundedReceiver<Zeroizing<String>>;

/// Reads the lines that a person types; `None` if standard input is not a
/// terminal.
///
/// A separate thread reads them, since a read cannot be cancelled. It ends with the
/// process.
pub(super) fn lines() -> Option<Lines> {
    if !stdin().is_terminal() {
        return None;
    }
    let (sender, receiver) = unbounded_channel();
    std::thread::spawn(move || {
        for line in stdin().lock().lines().map_while(Result::ok) {
            if sender.send(Zeroizing::new(line)).is_err() {
                break;
            }
        }
    });
    Some(receiver)
}

/// Discards the input that has been typed but not read.
pub(super) fn discard(typed: &mut Lines) {
    // This fails if the terminal is closed. Then there is no input to discard.
    tcflush(stdin(), FlushArg::TCIFLUSH).ok();
    while typed.try_recv().is_ok() {}
}

/// Reads code and state from a redirect address.
pub(super) fn parse(line: &str) -> Result<Redirect, Error> {
    let url = Url::parse(line.trim()).map_err(|_| Error::NotARedirect)?;
    let parameter = |name: &str| {
        let mut found = url.query_pairs().filter(|(key, _)| key == name);
        let first = found.next().map(|(_, value)| value.into_owned());
        first.filter(|value| !value.is_empty() && found.next().is_none())
    };
    if let Some(error) = parameter("error") {
        return Err(Error::Refused(error));
    }
    let iss = parameter("iss");
    let is_named = |(key, value): (_, std::borrow::Cow<'_, str>)| key == "iss" && !value.is_empty();
    if iss.is_none() && url.query_pairs().any(is_named) {
        return Err(Error::NotARedirect);
    }
    match (parameter("code"), parameter("state")) {
        (Some(code), Some(state)) => Ok(Redirect {
            iss,
            code: AuthorizationCode::new(code),
            state: State::new(state),
        }),
        _ => Err(Error::NotARedirect),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_address_has_code_and_state() {
        let redirect = parse(" http://127.0.0.1:8252/cb/x?code=a%2Bb&state=s&iss=i\r").unwrap();
        assert!(redirect.state.matches(&State::new("s")));
        assert_eq!(redirect.iss.as_deref(), Some("i"));
    }

    #[test]
    fn other_lines_are_refused() {
        for line in [
            "",
            "yes",
            "http://127.0.0.1/?code=a",
            "http://127.0.0.1/?code=a&state=",
            "http://127.0.0.1/?code=a&state=s&state=t",
            "http://127.0.0.1/?code=a&state=s&iss=i&iss=j",
        ] {
            assert_eq!(parse(line).unwrap_err(), Error::NotARedirect, "{line}");
        }
        let refused = parse("http://127.0.0.1/?error=access_denied&state=s").unwrap_err();
        assert_eq!(refused, Error::Refused("access_denied".into()));
    }
}
