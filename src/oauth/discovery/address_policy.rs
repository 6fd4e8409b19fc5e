//! Which addresses a discovery may ask.
//!
//! Its caller, and every server on the way, could else make the daemon ask what
//! only this machine or its network can: a router, a cloud's metadata service,
//! another program's port. A name is resolved here, its addresses are judged,
//! and the connection goes to just those, so that a second look-up cannot give
//! others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::provider::{self, EndpointError};

/// How far a discovery may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressPolicy {
    /// To public addresses.
    Public,
    /// To this machine's loopback addresses too, since it began at one.
    Loopback,
}

/// Why an address is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Forbidden {
    /// No address of an OAuth endpoint.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// An address of this machine or of a network that is not public.
    #[error("{0} is no public address")]
    Address(IpAddr),
    /// A name of this machine.
    #[error("localhost is no public address")]
    Localhost,
}

impl AddressPolicy {
    /// How far one that begins at `start` may go.
    pub(super) fn of(start: &Url) -> Self {
        if provider::is_loopback(start) {
            Self::Loopback
        } else {
            Self::Public
        }
    }

    /// Judges an address as it is written; a name is judged when it is resolved.
    pub(super) fn check(self, url: &Url) -> Result<(), Forbidden> {
        let url = provider::parse_endpoint(url.as_str())?;
        match url.host() {
            Some(Host::Domain("localhost")) if self == Self::Public => Err(Forbidden::Localhost),
            Some(Host::Domain(_)) => Ok(()),
            Some(Host::Ipv4(address)) => self.admit(address.into()),
            Some(Host::Ipv6(address)) => self.admit(address.into()),
            None => Err(EndpointError::NotAUrl.into()),
        }
    }

    /// Resolves `name`, and judges all of its addresses.
    pub(super) async fn resolved(self, name: &str) -> Result<Vec<SocketAddr>, Unresolved> {
        let addresses: Vec<_> = tokio::net::lookup_host((name, 0))
            .await
            .map_err(|_| Unresolved::Unknown)?
            .collect();
        for address in &addresses {
            self.admit_as(name, address.ip())?;
        }
        Ok(addresses)
    }

    /// `localhost` is this machine and nothing else; no other name is.
    fn admit_as(self, name: &str, address: IpAddr) -> Result<(), Forbidden> {
        if (name == "localhost") == address.is_loopback() {
            self.admit(address)
        } else {
            Err(Forbidden::Address(address))
        }
    }

    fn admit(self, address: IpAddr) -> Result<(), Forbidden> {
        let is_near = self == Self::Loopback && address.is_loopback();
        if is_near || is_public(address) {
            Ok(())
        } else {
            Err(Forbidden::Address(address))
        }
    }
}

/// Why a name has no addresses to go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unresolved {
    /// Nobody knows it, or nobody can be asked now.
    #[error("there is no such name")]
    Unknown,
    /// It leads where a discovery may not go.
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

/// The IANA special-purpose registry of IPv4 (RFC 6890), multicast, and the
/// address at which one cloud keeps its metadata service.
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

/// Global unicast (RFC 4291, section 2.4) without its special parts. Where an
/// IPv4 address is meant, that one counts.
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

    fn judged(policy: AddressPolicy, url: &str) -> bool {
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
    fn loopback_is_near_only_for_what_began_there() {
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
            assert!(judged(AddressPolicy::Loopback, url), "{url}");
            assert!(!judged(AddressPolicy::Public, url), "{url}");
        }
    }

    #[test]
    fn nothing_leads_into_a_network_that_is_not_public() {
        for policy in [AddressPolicy::Public, AddressPolicy::Loopback] {
            assert!(judged(policy, "https://1.1.1.1/"));
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
                assert!(!judged(policy, url), "{url}");
            }
        }
    }

    #[test]
    fn a_name_is_judged_by_every_address_it_has() {
        let near: IpAddr = Ipv4Addr::LOCALHOST.into();
        let far: IpAddr = Ipv4Addr::new(1, 1, 1, 1).into();
        let router: IpAddr = Ipv4Addr::new(192, 168, 1, 1).into();
        let admits = |policy: AddressPolicy, name, address| policy.admit_as(name, address).is_ok();
        assert!(admits(AddressPolicy::Loopback, "localhost", near));
        assert!(!admits(AddressPolicy::Public, "localhost", near));
        for policy in [AddressPolicy::Public, AddressPolicy::Loopback] {
            assert!(admits(policy, "example.com", far));
            assert!(!admits(policy, "example.com", near));
            assert!(!admits(policy, "example.com", router));
            assert!(!admits(policy, "localhost", far));
        }
    }

    #[tokio::test]
    async fn a_name_that_nobody_knows_is_not_forbidden() {
        let unknown = AddressPolicy::Public.resolved("no-such-host.invalid").await;
        assert_eq!(unknown, Err(Unresolved::Unknown));
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_forbidden() {
        let addresses = AddressPolicy::Loopback.resolved("localhost").await.unwrap();
        assert!(addresses.iter().all(|address| address.ip().is_loopback()));
        let refused = AddressPolicy::Public.resolved("localhost").await;
        assert!(matches!(refused, Err(Unresolved::Forbidden(_))));
    }
}
