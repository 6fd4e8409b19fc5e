//! An owner's providers, and the platform providers.

use super::super::call::Call;
use super::super::lists::{self, Enclosing};
use super::super::reply::{self, Answer};
use super::tokens::pending;
use crate::api::replies::{Message, ProviderResponse};
use crate::api::requests::{
    McpProviderCreateRequest, ProviderCreateRequest, ProviderUpdateRequest,
};
use crate::broker::{Broker, Deleted};
use crate::identity::Owner;
use crate::provider::{Provider, Source};

pub(in crate::http) async fn list_providers(call: Call) -> Answer {
    let (broker, owner) = (call.broker.clone(), call.peer.owner);
    let read = move |from| {
        let page = broker.providers().list(owner, from)?;
        Ok(page.map(|provider| response(&broker, owner, &provider)))
    };
    lists::reply(&call, Enclosing("[", "]"), read).await
}

pub(in crate::http) async fn create_provider(call: Call) -> Answer {
    let request = ProviderCreateRequest::from_json(&call.body)?;
    let provider = call
        .broker
        .providers()
        .create(call.peer.owner, request.definition)
        .await?;
    reply::ok(&response(&call.broker, call.peer.owner, &provider))
}

pub(in crate::http) async fn discover_provider(call: Call) -> Answer {
    let request = McpProviderCreateRequest::from_json(&call.body)?;
    let provider = call
        .broker
        .providers()
        .discover(call.peer.owner, request.into())
        .await?;
    reply::ok(&response(&call.broker, call.peer.owner, &provider))
}

pub(in crate::http) async fn show_provider(call: Call) -> Answer {
    let id = call.provider_id(0)?;
    let provider = call.broker.providers().find(call.peer.owner, &id)?;
    reply::ok(&response(&call.broker, call.peer.owner, &provider))
}

pub(in crate::http) async fn update_provider(call: Call) -> Answer {
    let request = ProviderUpdateRequest::from_json(&call.body)?;
    let command = request.into_command(call.provider_id(0)?);
    let provider = call
        .broker
        .providers()
        .update(call.peer.owner, command)
        .await?;
    reply::ok(&response(&call.broker, call.peer.owner, &provider))
}

pub(in crate::http) async fn delete_provider(call: Call) -> Answer {
    let provider_id = call.provider_id(0)?;
    let deleted = call
        .broker
        .providers()
        .delete(call.peer.owner, &provider_id)
        .await?;
    let mut message = format!("Deleted the provider {provider_id} and its tokens");
    if deleted.tokens > 0 {
        let Deleted {
            tokens, revoked, ..
        } = &deleted;
        message += &format!(" ({tokens}, {revoked} of them revoked at the provider)");
        message += &pending(&deleted);
    }
    reply::ok(&Message { message })
}

pub(in crate::http) async fn list_platform_providers(call: Call) -> Answer {
    let providers = call.broker.providers().platform();
    reply::ok(
        &providers
            .iter()
            .map(|provider| response(&call.broker, call.peer.owner, provider))
            .collect::<Vec<_>>(),
    )
}

pub(in crate::http) async fn show_platform_provider(call: Call) -> Answer {
    let id = call.provider_id(0)?;
    let provider = call.broker.providers().of_platform(&id)?;
    reply::ok(&response(&call.broker, call.peer.owner, &provider))
}

fn response(broker: &Broker, caller: Owner, provider: &Provider) -> ProviderResponse {
    // Platform providers belong to the administrator of the machine.
    let owner = match provider.source {
        Source::Owner => caller,
        Source::Platform => Owner::ADMINISTRATOR,
    };
    let organization_id = broker.organization_id(owner);
    ProviderResponse::new(
        provider,
        organization_id,
        broker.providers().default_redirect_uri(provider),
    )
}
