//! Connections: agents' permissions to use tokens.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::connection::Connection;
use crate::identity::Scopes;
use crate::token::Token;

/// A connection: an agent's permission to use a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionResponse {
    /// The identifier of the connection.
    pub id: String,
    /// The identifier of the agent.
    pub agent_id: String,
    /// The token.
    pub oauth_token_id: String,
    /// The token's provider.
    pub provider_id: String,
    /// The name of the account for people.
    pub provider_account_label: Option<String>,
    /// The granted scopes.
    pub scopes: Scopes,
    /// When the access token expires; `None` if it does not.
    pub expires_at: Option<Timestamp>,
    /// What created it.
    pub created_by: String,
    /// When it was created.
    pub created_at: Timestamp,
}

impl ConnectionResponse {
    /// The reply for `connection`, which permits its agent to use `token`.
    #[must_use]
    pub fn new(connection: &Connection, token: &Token) -> Self {
        Self {
            id: connection.id.to_string(),
            agent_id: connection.agent_id.to_string(),
            oauth_token_id: connection.token_id.to_string(),
            provider_id: token.provider.provider_id.to_string(),
            provider_account_label: token.label().map(str::to_owned),
            scopes: token.granted.clone(),
            expires_at: token.expires_at,
            created_by: connection.created_by.clone(),
            created_at: connection.created_at,
        }
    }
}

/// All connections of an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionListResponse {
    /// The connections.
    pub data: Vec<ConnectionResponse>,
}
