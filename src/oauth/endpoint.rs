//! A provider's token endpoint as the protocol's crate sees it: requests leave
//! in the provider's writing, and every reply that comes back conforms.

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;

use oauth2::basic::BasicErrorResponse;
use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse, RequestTokenError};

use super::normalize::{self, ReplyContext};
use super::redact::Redactor;
use super::{Client, Error, request};
use crate::provider::Provider;
use crate::secret::RefreshToken;

/// One provider's token endpoint, for one request.
pub(super) struct TokenEndpoint<'a> {
    /// What sends the request.
    pub(super) client: &'a Client,
    /// The provider it goes to.
    pub(super) provider: &'a Provider,
    /// Hides the secrets in the request.
    pub(super) redactor: &'a Redactor,
    /// A refresh token that came in a reply without an access token.
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
                // One request has one reply: nothing is there before it.
                let _ = self.kept.set(refresh_token);
            }
            unusable.error
        })
    }
}

/// The crate's error of a request to it.
pub(super) type RequestError = RequestTokenError<Error, BasicErrorResponse>;

/// What is left to go wrong after a reply was made to conform. The crate's own
/// errors hold the reply's body, so nothing of them is kept.
pub(super) fn into_error(error: RequestError) -> Error {
    match error {
        RequestTokenError::Request(error) => error,
        // It was a success, or it would not have come as far as the crate.
        _ => Error::OutcomeUnknown {
            what: "it is not a token reply".to_owned(),
            retry_after: None,
        },
    }
}
