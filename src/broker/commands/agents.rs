//! Commands about what an agent may use.

use super::{ImportedToken, RowName};
use crate::identity::{AgentId, ConnectionId, ProviderId, TokenId};

/// Lets an agent use a token.
#[derive(Clone, Debug)]
pub struct ConnectAgent {
    /// The agent.
    pub agent_id: AgentId,
    /// The token.
    pub token_id: TokenId,
}

/// Takes a token away from an agent.
#[derive(Clone, Debug)]
pub struct DisconnectAgent {
    /// The agent.
    pub agent_id: AgentId,
    /// The connection that allowed it.
    pub connection: RowName<ConnectionId>,
}

/// Stores a token for one agent, in place of what it could use of the provider.
#[derive(Clone, Debug)]
pub struct SetAgentToken {
    /// The agent.
    pub agent_id: AgentId,
    /// The provider.
    pub provider_id: ProviderId,
    /// The token, obtained elsewhere.
    pub token: ImportedToken,
    /// What a person calls the account.
    pub label: Option<String>,
}
