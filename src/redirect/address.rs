//! The address of the loopback redirect listener (RFC 8252, section 7.3).
//!
//! Only loopback addresses are accepted: the listener receives authorization
//! codes, which must not leave this machine.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// The address to which browsers return: a loopback host and a port.
///
/// Parsed from `HOST:PORT`, such as `127.0.0.1:8252`, `[::1]:0` or
/// `localhost:8252`. For port 0 the system picks a free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedirectAddress {
    /// The host as redirect addresses spell it.
    pub(crate) host: RedirectHost,
    /// The port; 0 lets the system pick one.
    pub(crate) port: u16,
}

/// A host that always means this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RedirectHost {
    /// 127.0.0.0/8 or `::1`.
    Ip(IpAddr),
    /// `localhost`, which some providers require.
    Localhost,
}

/// Why a text is not an address for the redirect listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectAddressError {
    /// Not of the form `HOST:PORT`.
    #[error("it must be HOST:PORT, such as 127.0.0.1:8252")]
    Form,
    /// The host is not a loopback host.
    #[error(
        "its host must be 127.0.0.1, [::1] or localhost, so that redirects reach only this machine"
    )]
    NotLoopback,
}

impl RedirectAddress {
    /// `127.0.0.1:8252`: the port spells "RFC 8252", is not registered,
    /// and lies below the ranges that systems pick ports from.
    pub const DEFAULT: Self = Self {
        host: RedirectHost::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        port: 8252,
    };

    /// The addresses to hold: the one named, and the other family's loopback
    /// on the same port, so that no other program can take it and with it
    /// `localhost`. The one named comes first.
    #[must_use]
    pub(crate) fn addresses(self) -> [SocketAddr; 2] {
        let (v4, v6) = (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
        let ips: [IpAddr; 2] = match self.host {
            RedirectHost::Localhost => [v4.into(), v6.into()],
            RedirectHost::Ip(ip) if ip.is_ipv4() => [ip, v6.into()],
            RedirectHost::Ip(ip) => [ip, v4.into()],
        };
        ips.map(|ip| SocketAddr::new(ip, self.port))
    }
}

impl FromStr for RedirectAddress {
    type Err = RedirectAddressError;

    fn from_str(text: &str) -> Result<Self, RedirectAddressError> {
        let (host, port) = text.rsplit_once(':').ok_or(RedirectAddressError::Form)?;
        let port = port.parse().map_err(|_| RedirectAddressError::Form)?;
        let bare = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let host = match (host, bare) {
            ("localhost", _) => RedirectHost::Localhost,
            (_, Some(v6)) => RedirectHost::Ip(
                v6.parse::<Ipv6Addr>()
                    .map_err(|_| RedirectAddressError::Form)?
                    .into(),
            ),
            (v4, None) => RedirectHost::Ip(
                v4.parse::<Ipv4Addr>()
                    .map_err(|_| RedirectAddressError::NotLoopback)?
                    .into(),
            ),
        };
        match host {
            RedirectHost::Ip(ip) if !ip.is_loopback() => Err(RedirectAddressError::NotLoopback),
            _ => Ok(Self { host, port }),
        }
    }
}

impl fmt::Display for RedirectHost {
    /// As a URL spells it: `127.0.0.1`, `[::1]`, `localhost`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V4(ip)) => fmt::Display::fmt(ip, f),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Localhost => f.write_str("localhost"),
        }
    }
}

impl fmt::Display for RedirectAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loopback_address_is_displayed_as_it_was_written() {
        for text in ["127.0.0.1:8252", "[::1]:0", "localhost:80", "127.0.0.9:1"] {
            let listen: RedirectAddress = text.parse().unwrap();
            assert_eq!(listen.to_string(), text);
        }
        assert_eq!(RedirectAddress::DEFAULT.to_string(), "127.0.0.1:8252");
    }

    #[test]
    fn an_address_that_other_machines_can_reach_is_refused() {
        for text in [
            "0.0.0.0:8252",
            "192.168.1.5:8252",
            "[::]:8252",
            "[::ffff:127.0.0.1]:8252",
            "example.com:80",
            ":8252",
        ] {
            let error = text.parse::<RedirectAddress>().unwrap_err();
            assert_eq!(error, RedirectAddressError::NotLoopback, "{text}");
        }
        for text in ["", "8252", "127.0.0.1", "127.0.0.1:65536", "[x]:1"] {
            let error = text.parse::<RedirectAddress>().unwrap_err();
            assert_eq!(error, RedirectAddressError::Form, "{text}");
        }
    }

    #[test]
    fn both_families_are_held_and_the_named_one_comes_first() {
        let listen: RedirectAddress = "[::1]:1".parse().unwrap();
        let addresses = listen.addresses().map(|address| address.to_string());
        assert_eq!(addresses, ["[::1]:1", "127.0.0.1:1"]);
    }
}
