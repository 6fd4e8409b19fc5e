//! Finds the revocation endpoint of a provider that was created without one.
//!
//! Metadata is requested only from the origin of the token endpoint, which
//! receives the grants anyway, and used only if it names that token endpoint.

use oauth2::http::{Method, StatusCode};
use serde_json::{Map, Value};
use url::Url;

use super::server::metadata_urls;
use crate::oauth::reply::text;
use crate::oauth::{Client, request};
use crate::provider::{self, Provider};

/// The most paths above a token endpoint that are tried as the issuer:
/// `/oauth2/default` is the issuer of `/oauth2/default/v1/token`.
const MAX_ISSUERS: usize = 4;

impl Client {
    /// Finds the revocation endpoint of `provider` in the metadata of its server
    /// (RFC 8414); `None` if there is no metadata that passes the checks.
    ///
    /// The issuer is unknown, so each path above the token endpoint is tried.
    pub async fn find_revocation_endpoint(&self, provider: &Provider) -> Option<Url> {
        let token = &provider.endpoints.token;
        for place in issuers_above(token).iter().flat_map(metadata_urls) {
            let request = request::bare(Method::GET, &place, Vec::new()).ok()?;
            // All requests go to the same server, so the others would fail too.
            let reply = self.http.send(request).await.ok()?;
            if reply.status() != StatusCode::OK {
                continue;
            }
            let document = serde_json::from_slice(reply.body()).ok();
            if let Some(found) = document.and_then(|document| verified_endpoint(&document, token)) {
                return Some(found);
            }
        }
        None
    }
}

/// The revocation endpoint in a document, if the document describes the server of
/// the token endpoint `token`.
fn verified_endpoint(document: &Map<String, Value>, token: &Url) -> Option<Url> {
    let address = |member| provider::parse_endpoint(text(document, member)?).ok();
    let is_same_origin = |url: &Url| url.origin() == token.origin();
    let is_its_own = address("token_endpoint")? == *token && is_same_origin(&address("issuer")?);
    address("revocation_endpoint").filter(|url| is_its_own && is_same_origin(url))
}

/// The addresses above `token`, starting with its origin.
fn issuers_above(token: &Url) -> Vec<Url> {
    let segments: Vec<&str> = token.path().trim_matches('/').split('/').collect();
    (0..segments.len().min(MAX_ISSUERS))
        .map(|depth| {
            let mut issuer = token.clone();
            issuer.set_query(None);
            issuer.set_path(&segments[..depth].join("/"));
            issuer
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn the_paths_above_the_token_endpoint_are_tried_as_issuers() {
        let above = |token| {
            issuers_above(&url(token))
                .iter()
                .map(Url::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(above("https://e.com/token?x=1"), ["https://e.com/"]);
        assert_eq!(above("https://e.com"), ["https://e.com/"]);
        assert_eq!(
            above("https://e.com/a/b/c/d/e/token"),
            [
                "https://e.com/",
                "https://e.com/a",
                "https://e.com/a/b",
                "https://e.com/a/b/c"
            ]
        );
    }

    #[test]
    fn only_metadata_of_the_token_endpoints_server_is_used() {
        let token = url("https://e.com/token");
        let found = |changes: Value| {
            let mut document = json!({
                "issuer": "https://e.com/x", "token_endpoint": "https://e.com/token",
                "revocation_endpoint": "https://e.com/revoke",
            });
            let members = document.as_object_mut().unwrap();
            members.extend(changes.as_object().unwrap().clone());
            verified_endpoint(members, &token)
        };
        assert_eq!(found(json!({})), Some(url("https://e.com/revoke")));
        for changes in [
            json!({"issuer": "https://other.com"}),
            json!({"issuer": null}),
            json!({"token_endpoint": "https://e.com/token2"}),
            json!({"token_endpoint": null}),
            json!({"revocation_endpoint": "https://other.com/revoke"}),
            json!({"revocation_endpoint": "http://e.com/revoke"}),
            json!({"revocation_endpoint": null}),
        ] {
            assert_eq!(found(changes.clone()), None, "{changes}");
        }
    }
}
