//! The metadata of an MCP server: its resource indicator and its authorization
//! server (RFC 9728).

use serde_json::{Map, Value};
use url::Url;

use super::client::{DiscoveryClient, Found};
use super::{Error, Step, challenge, shown, shown_text};
use crate::oauth::reply::text;

const STEP: Step = Step::Resource;

/// An MCP server as an OAuth resource.
pub(super) struct Resource {
    /// Its resource indicator (RFC 8707), spelled as in its metadata.
    pub(super) identifier: String,
    /// The issuer of its authorization server, in every accepted spelling.
    pub(super) issuers: Vec<String>,
}

/// Finds the metadata of `server`. A server without metadata is its own
/// authorization server (MCP of 2025-03-26).
pub(super) async fn find(client: &DiscoveryClient, server: &Url) -> Result<Resource, Error> {
    let refusal = client.probe(server).await?;
    if let Some(place) = challenge::resource_metadata(refusal.headers()) {
        let place = server.join(&place).map_err(|_| {
            Error::unsupported(STEP, "resource_metadata in the challenge is not an address")
        })?;
        let document = client.fetch_metadata(STEP, &place).await?.required(STEP)?;
        return described(&document, server);
    }
    drop(refusal);
    for place in metadata_urls(server) {
        if let Found::Document(document) = client.fetch_metadata(STEP, &place).await? {
            return described(&document, server);
        }
    }
    Ok(Resource {
        identifier: server.to_string(),
        issuers: own_issuers(server),
    })
}

/// The addresses where the metadata may be: first for the whole address, then for
/// its origin (RFC 9728, section 3.1; MCP, Authorization).
fn metadata_urls(server: &Url) -> Vec<Url> {
    const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
    let mut root = server.clone();
    root.set_query(None);
    root.set_path(WELL_KNOWN);
    let mut whole = server.clone();
    whole.set_path(&format!(
        "{WELL_KNOWN}{}",
        server.path().trim_end_matches('/')
    ));
    if whole == root {
        vec![root]
    } else {
        vec![whole, root]
    }
}

fn described(document: &Map<String, Value>, server: &Url) -> Result<Resource, Error> {
    let identifier = text(document, "resource")
        .ok_or_else(|| Error::unsupported(STEP, "it has no resource member"))?;
    let resource = Url::parse(identifier).ok();
    if !resource.is_some_and(|resource| contains(&resource, server)) {
        let (identifier, server) = (shown_text(identifier), shown(server));
        let what = format!("its resource is {identifier}, which does not contain {server}");
        return Err(Error::unsupported(STEP, what));
    }
    let servers = document.get("authorization_servers");
    let issuers = match servers.and_then(Value::as_array).map(Vec::as_slice) {
        None | Some([]) => own_issuers(server),
        Some([Value::String(issuer), ..]) => vec![issuer.clone()],
        Some(_) => {
            let what = "authorization_servers is not a list of addresses";
            return Err(Error::unsupported(STEP, what));
        }
    };
    Ok(Resource {
        identifier: identifier.to_owned(),
        issuers,
    })
}

/// Whether `server` is `resource` or below it. RFC 9728, section 3.3, requires the
/// same address, but many MCP servers name their origin and MCP's own clients
/// accept that. A server of another origin is never accepted.
fn contains(resource: &Url, server: &Url) -> bool {
    let above = resource.path().trim_end_matches('/');
    let below = server.path().strip_prefix(above);
    resource.origin() == server.origin()
        && resource.fragment().is_none()
        && (resource.query().is_none() || resource.query() == server.query())
        && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The issuer of an MCP server that is its own authorization server.
fn own_issuers(server: &Url) -> Vec<String> {
    let origin = server.origin().ascii_serialization();
    let with_slash = format!("{origin}/");
    vec![origin, with_slash]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn places(server: &str) -> Vec<String> {
        metadata_urls(&url(server))
            .iter()
            .map(Url::to_string)
            .collect()
    }

    #[test]
    fn the_url_with_the_path_is_first() {
        const ROOT: &str = "https://e.com/.well-known/oauth-protected-resource";
        assert_eq!(places("https://e.com"), [ROOT]);
        assert_eq!(
            places("https://e.com/a/mcp/"),
            [&format!("{ROOT}/a/mcp"), ROOT]
        );
        assert_eq!(places("https://e.com/?k=1"), [&format!("{ROOT}?k=1"), ROOT]);
    }

    #[test]
    fn a_resource_contains_the_paths_below_it() {
        let server = url("https://e.com/a/mcp");
        for resource in [
            "https://e.com",
            "https://e.com/a",
            "https://e.com/a/",
            "https://e.com/a/mcp",
            "https://e.com:443/a/mcp/",
        ] {
            assert!(contains(&url(resource), &server), "{resource}");
        }
        for resource in [
            "https://other.com/a/mcp",
            "http://e.com/a/mcp",
            "https://e.com:8443/a/mcp",
            "https://e.com/a/m",
            "https://e.com/a/mcp/b",
            "https://e.com/b",
            "https://e.com/?k=1",
            "https://e.com/a/mcp#f",
            "urn:a",
        ] {
            assert!(!contains(&url(resource), &server), "{resource}");
        }
    }
}
