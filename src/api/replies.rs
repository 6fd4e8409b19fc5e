//! The replies of the contract, which the daemon serializes and the client parses.
//!
//! All members of the contract are always present, `null` if there is no value.
//! Members may be added, but never renamed or removed. The only secret in a reply
//! is an access token.

mod connections;
mod flows;
mod follow_ups;
mod providers;
mod token;
mod tokens;

use serde::{Deserialize, Serialize};

pub use connections::{ConnectionListResponse, ConnectionResponse};
pub use flows::{
    AuthStatus, AuthenticateResponse, BrowserLinkResponse, WaitResponse, WaitStatus, flow_metadata,
    token_metadata,
};
pub use follow_ups::{FollowUpResponse, FollowUpToken};
pub use providers::ProviderResponse;
pub use tokens::{
    RevokeTokensResponse, TokenEventSummary, TokenImportResponse, TokenStatusBatchResponse,
    TokenStatusResponse, TokenSummary,
};

/// A message about the result of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The message.
    pub message: String,
}

/// The body of every error except validation errors, whose `detail` is a list with
/// one entry for each field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What is wrong, and what to do.
    pub detail: String,
}

/// `GET /info`: the state of the daemon, and counts of the caller's data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// The daemon's version.
    pub version: String,
    /// Whether the daemon works without restriction.
    pub status: Health,
    /// What does not work, for people; `None` if everything works.
    pub degraded_reason: Option<String>,
    /// The base URL of redirects, such as `http://127.0.0.1:8252`.
    pub redirect_base: String,
    /// The caller's providers.
    pub providers: u64,
    /// The caller's tokens.
    pub tokens: u64,
    /// The caller's pending flows.
    pub flows_pending: u64,
    /// The number of the caller's stored rows that are damaged or were modified by
    /// others. They are not used.
    #[serde(default)]
    pub unreadable_rows: u64,
    /// The names of the additions to the contract that the daemon supports. Empty
    /// for older daemons.
    #[serde(default)]
    pub features: Vec<String>,
}

/// The state of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Everything works.
    Ok,
    /// Stored tokens are served, but nothing can be stored.
    Degraded,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Map, Value, json};
    use url::Url;
    use uuid::Uuid;

    use super::*;
    use crate::clock::Timestamp;
    use crate::identity::{OrganizationId, ProviderId};
    use crate::provider::{AuthMethod, Client, Endpoints, Kind, Pkce, Provider, Source};
    use crate::secret::{AccessToken, ClientSecret};
    use crate::token::State;
    use crate::token::tests::token;

    const NIL: &str = "00000000-0000-0000-0000-000000000000";
    const EPOCH: &str = "1970-01-01T00:00:00Z";

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn provider() -> Provider {
        Provider {
            id: Uuid::nil(),
            source: Source::Owner,
            provider_id: ProviderId::parse("slack").unwrap(),
            name: "Slack".into(),
            client: Client {
                client_id: "c".into(),
                client_secret: Some(ClientSecret::new("canary")),
                auth_method: AuthMethod::ClientSecretPost,
                is_dynamic: false,
            },
            endpoints: Endpoints {
                authorization: url("https://example.com/authorize"),
                token: url("https://example.com/token"),
                revocation: None,
                issuer: None,
                sends_iss: false,
            },
            pkce: Pkce::Off,
            kind: Some(Kind::Slack),
            authorization_params: BTreeMap::new(),
            allowed_redirect_uris: Vec::new(),
            mcp_server_url: None,
            resource: None,
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn a_provider_is_serialized_without_its_secret() {
        let owner = OrganizationId::new(Uuid::nil());
        let reply = ProviderResponse::new(&provider(), owner, "http://127.0.0.1:8252/x".into());
        assert_eq!(
            serde_json::to_value(reply).unwrap(),
            json!({
                "id": NIL,
                "organization_id": NIL,
                "provider_id": "slack",
                "name": "Slack",
                "client_id": "c",
                "auth_url": "https://example.com/authorize",
                "token_url": "https://example.com/token",
                "uses_pkce": false,
                "code_challenge_method": null,
                "provider_type": "slack",
                "mcp_server_url": null,
                "token_endpoint_auth_method": "client_secret_post",
                "authorization_params": {},
                "is_dynamic_client": false,
                "allowed_redirect_uris": [],
                "default_redirect_uri": "http://127.0.0.1:8252/x",
                "created_at": EPOCH,
                "updated_at": EPOCH,
            })
        );
    }

    #[test]
    fn a_token_summary_contains_no_secret() {
        let mut token = token(Some(3600));
        token.state = State::ReauthorizationRequired {
            reason: "revoked".into(),
        };
        assert_eq!(
            serde_json::to_value(TokenSummary::new(&token)).unwrap(),
            json!({
                "id": NIL,
                "provider_id": "example",
                "provider_account_label": null,
                "scopes": ["a"],
                "expires_at": "1970-01-01T01:00:00Z",
                "is_default": true,
                "created_at": EPOCH,
                "updated_at": EPOCH,
                "user_id": "me",
                "agent_id": null,
                "reconnect_reason": "revoked",
                "refreshed_at": null,
                "next_refresh_at": null,
                "last_error": null,
                "last_error_at": null,
            })
        );
    }

    #[test]
    fn members_of_the_contract_override_stored_metadata() {
        let mut token = token(None);
        token.metadata = Map::from_iter([
            ("team".to_owned(), json!("T1")),
            ("token_id".to_owned(), json!("other")),
        ]);
        assert_eq!(
            Value::Object(token_metadata(&token)),
            json!({
                "team": "T1",
                "token_id": NIL,
                "token_type": "Bearer",
                "scopes": ["a"],
                "expires_at": null,
                "provider_account_label": null,
                "missing_scopes": ["b"],
                "generation": 1,
                "refreshed_at": null,
                "next_refresh_at": null,
                "last_error": null,
                "last_error_at": null,
            })
        );
    }

    #[test]
    fn a_token_is_serialized_and_deserialized_to_a_secret() {
        let reply = AuthenticateResponse {
            status: AuthStatus::Completed,
            url: None,
            auth_id: None,
            token: Some(AccessToken::new("canary")),
            user_id: Some("me".into()),
            metadata: None,
        };
        assert!(!format!("{reply:?}").contains("canary"));
        let json = serde_json::to_value(&reply).unwrap();
        assert_eq!(
            json,
            json!({
                "status": "completed",
                "url": null,
                "auth_id": null,
                "token": "canary",
                "user_id": "me",
                "metadata": null,
            })
        );
        let read: AuthenticateResponse = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), json);
    }

    #[test]
    fn a_wait_reply_contains_an_error_only_for_a_failed_flow() {
        let mut reply = WaitResponse::new(WaitStatus::NotFound);
        let plain = json!({"status": "not_found", "token": null});
        assert_eq!(serde_json::to_value(&reply).unwrap(), plain);
        reply.error = Some("access_denied".into());
        assert_eq!(
            serde_json::to_value(&reply).unwrap()["error"],
            "access_denied"
        );
        let terse: WaitResponse = serde_json::from_value(json!({"status": "timeout"})).unwrap();
        assert!(terse.token.is_none());
    }

    #[test]
    fn health_is_one_word() {
        assert_eq!(serde_json::to_value(Health::Ok).unwrap(), "ok");
        assert_eq!(serde_json::to_value(Health::Degraded).unwrap(), "degraded");
    }
}
