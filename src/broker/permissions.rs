//! Making permissions for agents, to be stored by the vault.

use super::context::Context;
use crate::event::Source;
use crate::flow::Flow;
use crate::identity::{AgentId, Owner};
use crate::vault::Permission;

impl Context {
    /// The permission that a flow asks for; `None` if it is for no agent.
    pub(super) fn permission_of_flow(
        &self,
        flow: &Flow,
        source: Source,
        reason: &'static str,
    ) -> Option<Permission> {
        let agent_id = flow.agent_id.clone()?;
        Some(Permission {
            created_by: flow.user_id.to_string(),
            ..self.permission(flow.owner, agent_id, source, reason)
        })
    }

    /// A permission that is about to be given.
    pub(super) fn permission(
        &self,
        owner: Owner,
        agent_id: AgentId,
        source: Source,
        reason: &'static str,
    ) -> Permission {
        Permission {
            agent_id,
            created_by: self.user(owner, None).to_string(),
            source,
            reason,
            now: self.env.now(),
            env: self.env.clone(),
        }
    }
}
