//! Finding the operation of a method and a path.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use hyper::{Method, StatusCode};
use matchit::Router;

use super::call::Call;
use super::reply::{Answer, Error};

/// Answers one call.
pub(super) type Handler =
    Box<dyn Fn(Call) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync>;

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

/// Collects operations for [`Routes`].
#[derive(Default)]
pub(super) struct Builder(Vec<(&'static str, HashMap<Method, Operation>)>);

impl Builder {
    /// Adds an operation.
    pub(super) fn on<F>(&mut self, method: Method, path: &'static str, operation: fn(Call) -> F)
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

    /// The method and path of each operation that was added.
    #[cfg(test)]
    pub(super) fn operations(&self) -> impl Iterator<Item = (&Method, &'static str)> {
        self.0
            .iter()
            .flat_map(|(path, methods)| methods.keys().map(|method| (method, *path)))
    }

    /// The routes of all operations that were added.
    pub(super) fn finish(self) -> Routes {
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
