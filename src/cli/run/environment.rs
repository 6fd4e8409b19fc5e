//! The environment variables of the command.

use std::path::Path;

use tokio::process::Command;

use crate::cli::bridge::Bridge;
use crate::secret::ExposeSecret as _;

/// The variables that send a program's requests through a proxy.
const PROXIES: [&str; 4] = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// The variables that name exceptions from the proxy.
const EXCEPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The bridge's host.
const HOST: &str = "127.0.0.1";

/// Sets the variables of the hosted service for the command.
#[expect(
    clippy::disallowed_methods,
    reason = "the command must send the bridge's key, which is valid only for this bridge"
)]
pub(super) fn prepare(command: &mut Command, bridge: &Bridge, socket: &Path) {
    command
        .env("LANGSMITH_API_URL", bridge.url())
        .env("LANGSMITH_API_KEY", bridge.key().expose_secret())
        .env("AGENT_AUTH_SOCK", socket)
        .envs(proxy_exceptions(|name| std::env::var(name).ok()));
}

/// Keeps the command from sending the bridge's key to a proxy.
fn proxy_exceptions(
    variable: impl Fn(&str) -> Option<String>,
) -> impl Iterator<Item = (&'static str, String)> {
    let has_proxy = PROXIES.iter().any(|name| variable(name).is_some());
    let inherited = EXCEPTIONS.map(|name| variable(name).filter(|value| !value.is_empty()));
    let either = inherited.clone().into_iter().flatten().next();
    EXCEPTIONS
        .into_iter()
        .zip(inherited)
        .filter(move |_| has_proxy)
        .map(move |(name, own)| {
            let known = own.or_else(|| either.clone());
            (name, known.map_or_else(|| HOST.to_owned(), with_host))
        })
}

fn with_host(known: String) -> String {
    if known.trim() == "*" {
        return known; // every host is an exception already
    }
    format!("{known},{HOST}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exceptions(environment: &[(&str, &str)]) -> Vec<(&'static str, String)> {
        let find = |name: &str| environment.iter().find(|(key, _)| *key == name);
        proxy_exceptions(|name| find(name).map(|(_, value)| (*value).to_owned())).collect()
    }

    #[test]
    fn the_bridge_is_never_reached_through_a_proxy() {
        assert_eq!(exceptions(&[("NO_PROXY", "a")]), []);
        assert_eq!(
            exceptions(&[("http_proxy", "http://p:1"), ("no_proxy", "a.example")]),
            [
                ("NO_PROXY", "a.example,127.0.0.1".to_owned()),
                ("no_proxy", "a.example,127.0.0.1".to_owned())
            ]
        );
        let all = exceptions(&[("ALL_PROXY", "socks://p"), ("NO_PROXY", "*")]);
        assert!(all.iter().all(|(_, value)| value == "*"), "{all:?}");
    }
}
