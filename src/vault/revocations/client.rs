//! The parts of a provider that a revocation needs: its client, and the
//! addresses that the grant's tokens may be sent to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::identity::ProviderId;
use crate::provider::{Client, Endpoints, Pkce, Provider, Source};
use crate::secret::ClientSecret;
use crate::vault::Error;

/// The sealed column `client`, as JSON.
#[derive(Serialize, Deserialize)]
struct Facts {
    client_id: String,
    auth_method: String,
    is_dynamic: bool,
    kind: Option<String>,
    authorization_url: String,
    token_url: String,
    revocation_url: Option<String>,
}

/// The text of the column.
///
/// # Errors
/// [`Error::Unwritable`] if it cannot be written as JSON.
pub(super) fn written(provider: &Provider) -> Result<String, Error> {
    let Provider {
        client, endpoints, ..
    } = provider;
    let facts = Facts {
        client_id: client.client_id.clone(),
        auth_method: client.auth_method.as_str().to_owned(),
        is_dynamic: client.is_dynamic,
        kind: provider.kind.map(|kind| kind.as_str().to_owned()),
        authorization_url: endpoints.authorization.to_string(),
        token_url: endpoints.token.to_string(),
        revocation_url: endpoints.revocation.as_ref().map(Url::to_string),
    };
    serde_json::to_string(&facts).map_err(|error| Error::Unwritable {
        why: error.to_string(),
    })
}

/// The provider in a column's text, with its reference and client secret;
/// `None` if [`written`] cannot have produced the text.
pub(super) fn parse(
    text: &str,
    (source, provider_id): (Source, ProviderId),
    client_secret: Option<ClientSecret>,
) -> Option<Provider> {
    let facts: Facts = serde_json::from_str(text).ok()?;
    let kind = match facts.kind {
        None => None,
        Some(name) => Some(name.parse().ok()?),
    };
    let revocation = match facts.revocation_url {
        None => None,
        Some(address) => Some(Url::parse(&address).ok()?),
    };
    let unknown = Timestamp::from_millis(0);
    Some(Provider {
        id: Uuid::nil(),
        source,
        name: provider_id.to_string(),
        provider_id,
        client: Client {
            client_id: facts.client_id,
            client_secret,
            auth_method: facts.auth_method.parse().ok()?,
            is_dynamic: facts.is_dynamic,
        },
        endpoints: Endpoints {
            authorization: Url::parse(&facts.authorization_url).ok()?,
            token: Url::parse(&facts.token_url).ok()?,
            revocation,
            issuer: None,
            sends_iss: false,
        },
        pkce: Pkce::S256,
        kind,
        authorization_params: BTreeMap::new(),
        allowed_redirect_uris: Vec::new(),
        mcp_server_url: None,
        resource: None,
        created_at: unknown,
        updated_at: unknown,
    })
}
