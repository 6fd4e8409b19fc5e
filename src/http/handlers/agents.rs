//! Connections: agents' permissions to use tokens.

use hyper::StatusCode;

use super::super::call::Call;
use super::super::lists::{self, Enclosing};
use super::super::reply::{self, Answer, Error};
use crate::api::replies::ConnectionResponse;
use crate::api::requests::{CreateConnectionRequest, UpsertAgentTokenRequest};
use crate::api::validate::FieldErrors;
use crate::broker::commands::{DisconnectAgent, RowName};
use crate::identity::{AgentId, ConnectionId};

pub(in crate::http) async fn list_connections(call: Call) -> Answer {
    let (broker, owner, agent) = (call.broker.clone(), call.peer.owner, agent(&call)?);
    let read = move |from| {
        let page = broker.agents().connections(owner, &agent, from)?;
        Ok(page.map(|(connection, token)| ConnectionResponse::new(&connection, &token)))
    };
    // A ConnectionListResponse.
    lists::reply(&call, Enclosing(r#"{"data":["#, "]}"), read).await
}

pub(in crate::http) async fn create_connection(call: Call) -> Answer {
    let request = CreateConnectionRequest::from_json(&call.body)?;
    let command = request.into_command(agent(&call)?)?;
    let agents = call.broker.agents();
    let (connection, token) = agents.connect(call.peer.owner, command).await?;
    let body = ConnectionResponse::new(&connection, &token);
    reply::json(StatusCode::CREATED, &body)
}

pub(in crate::http) async fn remove_connection(call: Call) -> Answer {
    let command = DisconnectAgent {
        agent_id: agent(&call)?,
        connection: RowName::new(call.parameter(1), ConnectionId::parse),
    };
    let agents = call.broker.agents();
    agents.disconnect(call.peer.owner, command).await?;
    Ok(reply::no_content())
}

pub(in crate::http) async fn upsert_token(call: Call) -> Answer {
    let request = UpsertAgentTokenRequest::from_json(&call.body)?;
    let command = request.into_command(agent(&call)?, call.provider_id(1)?);
    let agents = call.broker.agents();
    let (connection, token) = agents.set_token(call.peer.owner, command).await?;
    let body = ConnectionResponse::new(&connection, &token);
    reply::json(StatusCode::CREATED, &body)
}

/// The agent in the path; 404 for an empty identifier.
fn agent(call: &Call) -> Result<AgentId, Error> {
    if let Some(faults) = FieldErrors::of_path_label("agent_id", call.parameter(0)) {
        return Err(faults.into());
    }
    let missing = || Error::status(StatusCode::NOT_FOUND, "Not Found");
    AgentId::parse(call.parameter(0)).ok_or_else(missing)
}
