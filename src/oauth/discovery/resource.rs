//! The MCP server's metadata: what it is called, and who authorizes its callers
//! (RFC 9728).

use serde_json::{Map, Value};
use url::Url;

use super::client::{DiscoveryClient, Found};
use super::{Error, Step, challenge, shown, shown_text};
use crate::oauth::normalize::text;

const STEP: Step = Step::Resource;

/// An MCP server, as its callers' authorization server knows it.
pub(super) struct Resource {
    /// Its resource indicator (RFC 8707), in its own letters.
    pub(super) identifier: String,
    /// Its authorization server: one issuer in every writing that is meant.
    pub(super) issuers: Vec<String>,
}

/// Finds what `server` says of itself; if it says nothing, it is its own
/// authorization server (MCP of 2025-03-26).
pub(super) async fn find(client: &DiscoveryClient, server: &Url) -> Result<Resource, Error> {
    let refusal = client.probe(server).await?;
    if let Some(place) = challenge::resource_metadata(refusal.headers()) {
        let place = server.join(&place).map_err(|_| {
            Error::unsupported(STEP, "the server's refusal names no address for it")
        })?;
        let document = client.fetch_metadata(STEP, &place).await?.required(STEP)?;
        return described(&document, server);
    }
    drop(refusal);
    for place in well_known(server) {
        if let Found::Document(document) = client.fetch_metadata(STEP, &place).await? {
            return described(&document, server);
        }
    }
    Ok(Resource {
        identifier: server.to_string(),
        issuers: own_issuers(server),
    })
}

/// Where the metadata may be: made of the whole address, and of its origin
/// alone (RFC 9728, section 3.1; MCP, Authorization).
fn well_known(server: &Url) -> Vec<Url> {
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
        .ok_or_else(|| Error::unsupported(STEP, "it names no resource"))?;
    let resource = Url::parse(identifier).ok();
    if !resource.is_some_and(|resource| contains(&resource, server)) {
        let (identifier, server) = (shown_text(identifier), shown(server));
        let what = format!("it is that of {identifier}, which is not {server}");
        return Err(Error::unsupported(STEP, what));
    }
    let servers = document.get("authorization_servers");
    let issuers = match servers.and_then(Value::as_array).map(Vec::as_slice) {
        None | Some([]) => own_issuers(server),
        Some([Value::String(issuer), ..]) => vec![issuer.clone()],
        Some(_) => {
            let what = "its authorization_servers are not a list of addresses";
            return Err(Error::unsupported(STEP, what));
        }
    };
    Ok(Resource {
        identifier: identifier.to_owned(),
        issuers,
    })
}

/// Whether `server` is `resource` or lies below it. RFC 9728, section 3.3, wants
/// the same address; many MCP servers name their origin, and MCP's own clients
/// take that. What one origin says of another is never believed.
fn contains(resource: &Url, server: &Url) -> bool {
    let above = resource.path().trim_end_matches('/');
    let below = server.path().strip_prefix(above);
    resource.origin() == server.origin()
        && resource.fragment().is_none()
        && (resource.query().is_none() || resource.query() == server.query())
        && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The issuer that an MCP server itself would be.
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
        well_known(&url(server))
            .iter()
            .map(Url::to_string)
            .collect()
    }

    #[test]
    fn the_path_is_inserted_first() {
        const ROOT: &str = "https://e.com/.well-known/oauth-protected-resource";
        assert_eq!(places("https://e.com"), [ROOT]);
        assert_eq!(
            places("https://e.com/a/mcp/"),
            [&format!("{ROOT}/a/mcp"), ROOT]
        );
        assert_eq!(places("https://e.com/?k=1"), [&format!("{ROOT}?k=1"), ROOT]);
    }

    #[test]
    fn a_resource_speaks_for_what_lies_below_it() {
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
