//! The operations of the contract, a line each.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;

use hyper::{Method, StatusCode};
use matchit::Router;

use super::handlers as op;
use super::reply::{Answer, Error};
use super::request::Call;

/// Answers one call.
pub(super) type Handler =
    Box<dyn Fn(Call) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync>;

/// Every operation that is served.
pub(super) fn all() -> Routes {
    let mut routes = Builder::default();
    routes.on(Method::GET, "/ok", op::ok);
    routes.on(Method::GET, "/info", op::info);
    routes.on(Method::POST, "/v2/auth/authenticate", op::authenticate);
    routes.on(Method::GET, "/v2/auth/wait/{auth_id}", op::wait);
    routes.on(
        Method::GET,
        "/v2/auth/callback/{provider_id}",
        op::callback_of_browser,
    );
    routes.on(
        Method::POST,
        "/v2/auth/callback/{provider_id}",
        op::callback,
    );
    routes.on(Method::GET, "/v2/auth/providers", op::list_providers);
    routes.on(Method::POST, "/v2/auth/providers", op::create_provider);
    routes.on(
        Method::GET,
        "/v2/auth/providers/{provider_id}",
        op::show_provider,
    );
    routes.on(
        Method::PATCH,
        "/v2/auth/providers/{provider_id}",
        op::update_provider,
    );
    routes.on(
        Method::DELETE,
        "/v2/auth/providers/{provider_id}",
        op::delete_provider,
    );
    routes.on(Method::GET, "/v2/auth/tokens", op::list_tokens);
    routes.on(Method::DELETE, "/v2/auth/tokens", op::delete_tokens);
    routes.on(Method::POST, "/v2/auth/tokens/import", op::import_token);
    routes.on(Method::GET, "/v2/auth/tokens/exists", op::token_exists);
    routes.finish()
}

/// Finds the operation of a method and a path.
pub(super) struct Routes(Router<HashMap<Method, Handler>>);

/// What [`Routes::find`] found.
pub(super) struct Match<'a> {
    pub(super) handler: &'a Handler,
    /// The decoded parameters of the path, in order.
    pub(super) parameters: Vec<String>,
}

impl Routes {
    /// The operation, or 404 for an unknown path and 405 for a known one with
    /// another method.
    pub(super) fn find(&self, method: &Method, path: &str) -> Result<Match<'_>, Error> {
        let not_found = || Error::status(StatusCode::NOT_FOUND, "Not Found");
        let found = self.0.at(path).map_err(|_| not_found())?;
        let Some(handler) = found.value.get(method) else {
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
            handler,
            parameters: parameters.ok_or_else(not_found)?,
        })
    }
}

#[derive(Default)]
struct Builder(Vec<(&'static str, HashMap<Method, Handler>)>);

impl Builder {
    fn on<F>(&mut self, method: Method, path: &'static str, operation: fn(Call) -> F)
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let handler: Handler = Box::new(move |call| Box::pin(operation(call)));
        match self.0.iter_mut().find(|(known, _)| *known == path) {
            Some((_, methods)) => {
                methods.insert(method, handler);
            }
            None => self.0.push((path, HashMap::from([(method, handler)]))),
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

/// A path segment without its percent-encoding; `None` if it is not UTF-8,
/// and so names nothing.
fn decode(segment: &str) -> Option<String> {
    percent_encoding::percent_decode_str(segment)
        .decode_utf8()
        .ok()
        .map(Into::into)
}
