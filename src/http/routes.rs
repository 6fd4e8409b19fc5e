//! The routes: one line for each operation of the contract.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use hyper::{Method, StatusCode};
use matchit::Router;

use super::handlers::{agents, auth, daemon, follow_ups, providers, tokens};
use super::reply::{Answer, Error};
use super::request::Call;

const DELETE: Method = Method::DELETE;
const GET: Method = Method::GET;
const PATCH: Method = Method::PATCH;
const POST: Method = Method::POST;

/// Answers one call.
pub(super) type Handler =
    Box<dyn Fn(Call) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync>;

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

/// Finds the operation of a method and a path.
pub(super) struct Routes(Router<HashMap<Method, Operation>>);

/// One operation.
struct Operation {
    /// Its method and the pattern of its path.
    name: Arc<str>,
    handler: Handler,
}

/// The result of [`Routes::find`].
pub(super) struct Match<'a> {
    pub(super) handler: &'a Handler,
    /// The percent-decoded parameters of the path, in order.
    pub(super) parameters: Vec<String>,
}

impl Routes {
    /// Finds the operation.
    ///
    /// # Errors
    /// 404 for an unknown path, 405 for a path that does not support the method.
    pub(super) fn find(&self, method: &Method, path: &str) -> Result<Match<'_>, Error> {
        let not_found = || Error::status(StatusCode::NOT_FOUND, "Not Found");
        let found = self.0.at(path).map_err(|_| not_found())?;
        let Some(operation) = found.value.get(method) else {
            let mut allowed: Vec<_> = found.value.keys().map(Method::as_str).collect();
            allowed.sort_unstable();
            return Err(Error::MethodNotAllowed {
                allow: allowed.join(", "),
            });
        };
        let parameters = found
            .params
            .iter()
            .map(|(_, text)| decode(text))
            .collect::<Option<_>>();
        Ok(Match {
            handler: &operation.handler,
            parameters: parameters.ok_or_else(not_found)?,
        })
    }

    /// The name of an operation; `None` if there is none.
    pub(super) fn name(&self, method: &Method, path: &str) -> Option<Arc<str>> {
        let found = self.0.at(path).ok()?;
        found.value.get(method).map(|found| Arc::clone(&found.name))
    }
}

#[derive(Default)]
struct Builder(Vec<(&'static str, HashMap<Method, Operation>)>);

impl Builder {
    fn on<F>(&mut self, method: Method, path: &'static str, operation: fn(Call) -> F)
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let operation = Operation {
            name: format!("{method} {path}").into(),
            handler: Box::new(move |call| Box::pin(operation(call))),
        };
        match self.0.iter_mut().find(|(known, _)| *known == path) {
            Some((_, methods)) => {
                methods.insert(method, operation);
            }
            None => self.0.push((path, HashMap::from([(method, operation)]))),
        }
    }

    fn finish(self) -> Routes {
        let mut router = Router::new();
        for (path, methods) in self.0 {
            router
                .insert(path, methods)
                .unwrap_or_else(|error| unreachable!("{path}: {error}"));
        }
        Routes(router)
    }
}

/// Decodes the percent-encoding of a path segment; `None` if it is not UTF-8.
fn decode(segment: &str) -> Option<String> {
    percent_encoding::percent_decode_str(segment)
        .decode_utf8()
        .ok()
        .map(Into::into)
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
            .0
            .iter()
            .flat_map(|(path, methods)| {
                let methods = methods.keys();
                methods.map(|method| (method.to_string(), (*path).to_owned()))
            })
            .collect();
        assert_eq!(served, documented());
    }
}
