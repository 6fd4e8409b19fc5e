//! Which tokens an agent may use.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::identity::Scopes;

/// An agent's permission to use a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionResponse {
    /// The connection.
    pub id: String,
    /// The agent.
    pub agent_id: String,
    /// The token.
    pub oauth_token_id: String,
    /// The token's provider.
    pub provider_id: String,
    /// What a person calls the account.
    pub provider_account_label: Option<String>,
    /// The scopes granted.
    pub scopes: Scopes,
    /// When the access token expires; `None` if it does not.
    pub expires_at: Option<Timestamp>,
    /// Who allowed it.
    pub created_by: String,
    /// When it was allowed.
    pub created_at: Timestamp,
}

/// Every connection of an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionListResponse {
    /// The connections.
    pub data: Vec<ConnectionResponse>,
}
