//! The routes: one line for each operation of the contract.

use hyper::Method;

use super::handlers::{agents, auth, daemon, follow_ups, providers, tokens};
use super::router::{Builder, Routes};

const DELETE: Method = Method::DELETE;
const GET: Method = Method::GET;
const PATCH: Method = Method::PATCH;
const POST: Method = Method::POST;

/// The routes of all operations.
pub(super) fn all() -> Routes {
    operations().finish()
}

fn operations() -> Builder {
    let mut routes = Builder::default();
    flows(&mut routes);
    stored(&mut routes);
    routes.on(GET, "/ok", daemon::ok);
    routes.on(GET, "/info", daemon::info);
    routes.on(GET, "/metrics", daemon::metrics);
    routes.on(GET, "/openapi.json", daemon::openapi);
    routes.on(GET, "/vault", daemon::vault);
    routes
}

/// The contract's operations on flows and providers.
fn flows(routes: &mut Builder) {
    routes.on(POST, "/v2/auth/authenticate", auth::authenticate);
    routes.on(GET, "/v2/auth/wait/{auth_id}", auth::wait);
    let path = "/v2/auth/flows/{auth_id}/browser-link";
    routes.on(POST, path, auth::browser_link);
    let path = "/v2/auth/flows/{auth_id}/follow-up";
    routes.on(GET, path, follow_ups::show_follow_up);
    routes.on(POST, path, follow_ups::answer_follow_up);
    let path = "/v2/auth/callback/{provider_id}";
    routes.on(GET, path, auth::callback_of_browser);
    routes.on(POST, path, auth::callback);
    let path = "/v2/auth/setup/{provider_id}";
    routes.on(GET, path, auth::setup_of_browser);

    let path = "/v2/auth/providers";
    routes.on(GET, path, providers::list_providers);
    routes.on(POST, path, providers::create_provider);
    let path = "/v2/auth/providers/mcp-discover";
    routes.on(POST, path, providers::discover_provider);
    let path = "/v2/auth/providers/{provider_id}";
    routes.on(GET, path, providers::show_provider);
    routes.on(PATCH, path, providers::update_provider);
    routes.on(DELETE, path, providers::delete_provider);
    let path = "/v2/auth/platform-providers";
    routes.on(GET, path, providers::list_platform_providers);
    let path = "/v2/auth/platform-providers/{provider_id}";
    routes.on(GET, path, providers::show_platform_provider);
}

/// The contract's operations on tokens, events and agents.
fn stored(routes: &mut Builder) {
    let path = "/v2/auth/tokens";
    routes.on(GET, path, tokens::list_tokens);
    routes.on(DELETE, path, tokens::delete_tokens);
    routes.on(POST, "/v2/auth/tokens/import", tokens::import_token);
    routes.on(GET, "/v2/auth/tokens/exists", tokens::token_exists);
    let path = "/v2/auth/tokens/exists/batch";
    routes.on(POST, path, tokens::tokens_exist);
    let path = "/v2/auth/tokens/workspace/slack";
    routes.on(DELETE, path, tokens::delete_slack_tokens);
    let path = "/v2/auth/tokens/workspace/slack/exists";
    routes.on(GET, path, tokens::slack_token_exists);
    routes.on(DELETE, "/v2/auth/tokens/{token_id}", tokens::delete_token);
    let path = "/v2/auth/tokens/{token_id}/metadata";
    routes.on(PATCH, path, tokens::update_token);
    routes.on(GET, "/v2/auth/token-events", tokens::list_events);

    let path = "/v2/auth/agents/{agent_id}/connections";
    routes.on(GET, path, agents::list_connections);
    routes.on(POST, path, agents::create_connection);
    let path = "/v2/auth/agents/{agent_id}/connections/{connection_id}";
    routes.on(DELETE, path, agents::remove_connection);
    let path = "/v2/auth/agents/{agent_id}/providers/{provider_id}/tokens";
    routes.on(POST, path, agents::upsert_token);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn documented() -> BTreeSet<(String, String)> {
        let document: Value = serde_json::from_str(crate::api::DOCUMENT).unwrap();
        let paths = document["paths"].as_object().unwrap();
        paths
            .iter()
            .flat_map(|(path, operations)| {
                let methods = operations.as_object().unwrap().keys();
                methods.map(|method| (method.to_uppercase(), path.clone()))
            })
            .collect()
    }

    #[test]
    fn the_served_operations_are_the_documented_ones() {
        let served: BTreeSet<_> = operations()
            .operations()
            .map(|(method, path)| (method.to_string(), path.to_owned()))
            .collect();
        assert_eq!(served, documented());
    }
}
