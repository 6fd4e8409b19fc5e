//! The revocation endpoint of a provider that was defined by two addresses
//! alone.
//!
//! Looked for only on the token endpoint's own origin, to which the grants go
//! anyway, and believed only if the document names just that token endpoint.

use oauth2::http::{Method, StatusCode};
use serde_json::{Map, Value};
use url::Url;

use super::server::well_known;
use crate::oauth::normalize::text;
use crate::oauth::{Client, request};
use crate::provider::{self, Provider};

/// How many paths above a token endpoint are tried as its issuer's:
/// `/oauth2/default` issues `/oauth2/default/v1/token`.
const MAX_ISSUERS: usize = 4;

impl Client {
    /// Looks for the revocation endpoint of `provider` in the metadata of the
    /// server that has its token endpoint (RFC 8414); `None` if there is none,
    /// or none to believe.
    ///
    /// The issuer is not known, so each path above the token endpoint is tried.
    pub async fn find_revocation_endpoint(&self, provider: &Provider) -> Option<Url> {
        let token = &provider.endpoints.token;
        for place in issuers_above(token).iter().flat_map(well_known) {
            let request = request::bare(Method::GET, &place, Vec::new()).ok()?;
            // Where one cannot be asked, the others cannot either.
            let reply = self.http.send(request).await.ok()?;
            if reply.status() != StatusCode::OK {
                continue;
            }
            let document = serde_json::from_slice(reply.body()).ok();
            if let Some(found) = document.and_then(|document| believed(&document, token)) {
                return Some(found);
            }
        }
        None
    }
}

/// The endpoint that a document names, if it is that of the server at `token`.
fn believed(document: &Map<String, Value>, token: &Url) -> Option<Url> {
    let address = |member| provider::parse_endpoint(text(document, member)?).ok();
    let is_here = |url: &Url| url.origin() == token.origin();
    let is_its_own = address("token_endpoint")? == *token && is_here(&address("issuer")?);
    address("revocation_endpoint").filter(|url| is_its_own && is_here(url))
}

/// The addresses above `token`, the origin first.
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
    fn the_issuer_is_looked_for_above_the_token_endpoint() {
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
    fn only_the_token_endpoints_own_server_is_believed() {
        let token = url("https://e.com/token");
        let found = |changes: Value| {
            let mut document = json!({
                "issuer": "https://e.com/x", "token_endpoint": "https://e.com/token",
                "revocation_endpoint": "https://e.com/revoke",
            });
            let members = document.as_object_mut().unwrap();
            members.extend(changes.as_object().unwrap().clone());
            believed(members, &token)
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
