//! A person's permission for one agent to use one stored token, with the scopes
//! that were shown.

use crate::clock::Timestamp;
use crate::identity::{AgentId, ConnectionId, Owner, Scopes, TokenId};

/// An agent's permission to use a token.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its identifier.
    pub id: ConnectionId,
    /// The owner.
    pub owner: Owner,
    /// The agent that may use the token.
    pub agent_id: AgentId,
    /// The token it may use.
    pub token_id: TokenId,
    /// The scopes that were shown when the permission was given.
    pub scopes: Scopes,
    /// The `user_id` on whose behalf the permission was given.
    pub created_by: String,
    /// When the permission was given.
    pub created_at: Timestamp,
}
