//! The HTTP client that the `oauth2` crate uses for a token endpoint: it adapts
//! requests to the provider's quirks and normalizes replies.

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;

use oauth2::basic::BasicErrorResponse;
use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse, RequestTokenError};

use super::normalize;
use super::redact::Redactor;
use super::reply::ReplyContext;
use super::{Client, Error, request};
use crate::provider::Provider;
use crate::secret::RefreshToken;

/// The token endpoint of one provider, for one request.
pub(super) struct TokenEndpoint<'a> {
    /// Sends the request.
    pub(super) client: &'a Client,
    /// The provider that receives it.
    pub(super) provider: &'a Provider,
    /// Removes the secrets of the request from text that is shown.
    pub(super) redactor: &'a Redactor,
    /// The refresh token of a reply without an access token.
    pub(super) kept: OnceLock<RefreshToken>,
}

impl<'c> AsyncHttpClient<'c> for TokenEndpoint<'_> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Error>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

impl TokenEndpoint<'_> {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        let quirks = self.provider.quirks();
        let request = request::adapted(request, &quirks);
        let reply = self.client.http.send(request).await?;
        let context = ReplyContext {
            quirks: &quirks,
            redactor: self.redactor,
            received_at: self.client.env.now(),
        };
        normalize::normalize(reply, &context).map_err(|unusable| {
            if let Some(refresh_token) = unusable.refresh_token {
                // One request has one reply, so the cell is empty.
                let _ = self.kept.set(refresh_token);
            }
            unusable.error
        })
    }
}

/// The `oauth2` crate's error for a token request.
pub(super) type RequestError = RequestTokenError<Error, BasicErrorResponse>;

/// Converts an error of the `oauth2` crate. Its parse errors contain the body of
/// the reply, so they are discarded.
pub(super) fn into_error(error: RequestError) -> Error {
    match error {
        RequestTokenError::Request(error) => error,
        // `normalize` passes only successes on to the crate.
        _ => Error::OutcomeUnknown {
            what: "it is not a token reply".to_owned(),
            retry_after: None,
        },
    }
}
