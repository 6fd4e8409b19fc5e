//! The addresses to which a discovery may send requests.
//!
//! Without this policy the caller and every server of a discovery could make the
//! daemon send requests to addresses that only this machine or its network can
//! reach: a router, a cloud's metadata service, another program's port (SSRF).
//! Names are resolved here, and the connection uses the addresses that were
//! checked, so that a second look-up cannot return others (DNS rebinding).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::provider::{self, EndpointError};

/// Which addresses a discovery may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressPolicy {
    /// Public addresses.
    Public,
    /// Also loopback addresses, because the discovery started at one.
    Loopback,
}

/// Why an address is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Forbidden {
    /// The address cannot be an OAuth endpoint.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// An address of this machine or of a network that is not public.
    #[error("{0} is not a public address")]
    Address(IpAddr),
    /// A name of this machine.
    #[error("localhost is not a public address")]
    Localhost,
}

impl AddressPolicy {
    /// The policy of a discovery that starts at `start`.
    pub(super) fn of(start: &Url) -> Self {
        if provider::is_loopback(start) {
            Self::Loopback
        } else {
            Self::Public
        }
    }

    /// Checks a URL. The addresses of a host name are checked by [`Self::resolved`].
    ///
    /// # Errors
    /// [`Forbidden`] says why the URL is not allowed.
    pub(super) fn check(self, url: &Url) -> Result<(), Forbidden> {
        let url = provider::parse_endpoint(url.as_str())?;
        match url.host() {
            Some(Host::Domain("localhost")) if self == Self::Public => Err(Forbidden::Localhost),
            Some(Host::Domain(_)) => Ok(()),
            Some(Host::Ipv4(address)) => self.check_ip(address.into()),
            Some(Host::Ipv6(address)) => self.check_ip(address.into()),
            None => Err(EndpointError::NotAUrl.into()),
        }
    }

    /// Resolves `name` and checks all of its addresses.
    ///
    /// # Errors
    /// [`Unresolved`] if it has no addresses, or one that is not allowed.
    pub(super) async fn resolved(self, name: &str) -> Result<Vec<SocketAddr>, Unresolved> {
        let addresses: Vec<_> = tokio::net::lookup_host((name, 0))
            .await
            .map_err(|_| Unresolved::Unknown)?
            .collect();
        for address in &addresses {
            self.check_ip_of(name, address.ip())?;
        }
        Ok(addresses)
    }

    /// Only the name `localhost` may have loopback addresses, and no others.
    fn check_ip_of(self, name: &str, address: IpAddr) -> Result<(), Forbidden> {
        if (name == "localhost") == address.is_loopback() {
            self.check_ip(address)
        } else {
            Err(Forbidden::Address(address))
        }
    }

    fn check_ip(self, address: IpAddr) -> Result<(), Forbidden> {
        let is_own_loopback = self == Self::Loopback && address.is_loopback();
        if is_own_loopback || is_public(address) {
            Ok(())
        } else {
            Err(Forbidden::Address(address))
        }
    }
}

/// Why a name has no usable addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unresolved {
    /// The name does not exist, or no name server can be reached.
    #[error("the name cannot be resolved")]
    Unknown,
    /// One of its addresses is not allowed.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
}

impl Resolve for AddressPolicy {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = *self;
        Box::pin(async move {
            let addresses = policy.resolved(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Whether an address is outside the IANA special-purpose registry of IPv4 (RFC
/// 6890), is not multicast, and is not Azure's metadata service.
fn is_public_v4(address: Ipv4Addr) -> bool {
    const AZURE_METADATA: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);
    let [a, b, c, _] = address.octets();
    let is_special = a == 0
        || a >= 224
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || (a == 100 && b & 0b1100_0000 == 64) // carrier-grade NAT (RFC 6598)
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99) // 6to4 relays (RFC 7526)
        || (a == 198 && b & 0b1111_1110 == 18); // benchmarks (RFC 2544)
    !is_special && address != AZURE_METADATA
}

/// Whether an address is global unicast (RFC 4291, section 2.4) and in no special
/// range. An address that embeds an IPv4 address is checked as that one.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, ..] = address.segments();
    let last = || {
        let [.., w, x, y, z] = address.octets();
        Ipv4Addr::new(w, x, y, z)
    };
    match (a, b) {
        (0, 0) if (c, d, e, f) == (0, 0, 0, 0xffff) => is_public_v4(last()), // mapped
        (0x64, 0xff9b) if (c, d, e, f) == (0, 0, 0, 0) => is_public_v4(last()), // NAT64
        (0x2001, 0..=0x1ff | 0xdb8) => false, // protocols (Teredo …), documentation
        (0x2002, _) | (0x3fff, 0..=0xfff) => false, // 6to4, documentation
        _ => a & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_allowed(policy: AddressPolicy, url: &str) -> bool {
        policy.check(&Url::parse(url).unwrap()).is_ok()
    }

    #[test]
    fn only_public_addresses_are_public() {
        for special in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:a00:1::",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(special.parse().unwrap()), "{special}");
        }
        for public in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "2606:4700::1111",
            "2a00::1",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn loopback_is_allowed_only_for_a_discovery_that_started_there() {
        for url in [
            "http://127.0.0.1:1/",
            "http://[::1]/",
            "https://localhost/",
            "http://localhost/",
        ] {
            assert_eq!(
                AddressPolicy::of(&Url::parse(url).unwrap()),
                AddressPolicy::Loopback
            );
            assert!(is_allowed(AddressPolicy::Loopback, url), "{url}");
            assert!(!is_allowed(AddressPolicy::Public, url), "{url}");
        }
    }

    #[test]
    fn private_networks_are_never_allowed() {
        for policy in [AddressPolicy::Public, AddressPolicy::Loopback] {
            assert!(is_allowed(policy, "https://1.1.1.1/"));
            for url in [
                "https://192.168.1.1/",
                "https://0x0a000001/",
                "https://2852039166/latest/meta-data",
                "https://[::ffff:169.254.169.254]/",
                "http://1.1.1.1/",
                "http://example.com/",
                "ftp://example.com/",
                "https://me@example.com/",
            ] {
                assert!(!is_allowed(policy, url), "{url}");
            }
        }
    }

    #[test]
    fn every_address_of_a_name_is_checked() {
        let loopback: IpAddr = Ipv4Addr::LOCALHOST.into();
        let public: IpAddr = Ipv4Addr::new(1, 1, 1, 1).into();
        let router: IpAddr = Ipv4Addr::new(192, 168, 1, 1).into();
        let admits =
            |policy: AddressPolicy, name, address| policy.check_ip_of(name, address).is_ok();
        assert!(admits(AddressPolicy::Loopback, "localhost", loopback));
        assert!(!admits(AddressPolicy::Public, "localhost", loopback));
        for policy in [AddressPolicy::Public, AddressPolicy::Loopback] {
            assert!(admits(policy, "example.com", public));
            assert!(!admits(policy, "example.com", loopback));
            assert!(!admits(policy, "example.com", router));
            assert!(!admits(policy, "localhost", public));
        }
    }

    #[tokio::test]
    async fn an_unknown_name_is_unresolved_and_not_forbidden() {
        let unknown = AddressPolicy::Public.resolved("no-such-host.invalid").await;
        assert_eq!(unknown, Err(Unresolved::Unknown));
    }

    #[tokio::test]
    async fn a_name_of_this_machine_is_forbidden() {
        let addresses = AddressPolicy::Loopback.resolved("localhost").await.unwrap();
        assert!(addresses.iter().all(|address| address.ip().is_loopback()));
        let refused = AddressPolicy::Public.resolved("localhost").await;
        assert!(matches!(refused, Err(Unresolved::Forbidden(_))));
    }
}
