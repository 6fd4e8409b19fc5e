//! Revocation: RFC 7009, or an API call of the provider.
//!
//! Does not use the `oauth2` crate, which rejects `http` even for loopback
//! addresses and does not support the providers' own calls.

use oauth2::http::header::{AUTHORIZATION, CONTENT_TYPE};
use oauth2::http::{Method, StatusCode};
use oauth2::{HttpRequest, HttpResponse};
use serde_json::json;
use url::Url;

use super::redact::Redactor;
use super::reply::ReplyContext;
use super::request::{self, JSON};
use super::{Client, Error, Revocation, normalize};
use crate::provider::Provider;
use crate::provider::quirks;
use crate::secret::{AccessToken, ExposeSecret, RefreshToken};

/// How a grant is revoked, and at which address.
enum RevocationMethod {
    /// RFC 7009, at this endpoint.
    Endpoint(Url),
    /// An API call of the provider at this URL, authorized by the access token.
    OwnCall(Url),
    /// GitHub's call; the URL is the base of its API.
    GitHubGrant(&'static str),
}

impl RevocationMethod {
    /// The configured revocation endpoint, else the method of a well-known
    /// provider; `None` if neither is known.
    fn of(provider: &Provider) -> Option<Self> {
        if let Some(endpoint) = &provider.endpoints.revocation {
            return Some(Self::Endpoint(endpoint.clone()));
        }
        let join = |address| provider.endpoints.token.join(address).ok();
        match provider.quirks().revocation {
            quirks::Revocation::Rfc7009 { relative_url } => {
                relative_url.and_then(join).map(Self::Endpoint)
            }
            quirks::Revocation::OwnCall { relative_url } => join(relative_url).map(Self::OwnCall),
            quirks::Revocation::GitHubGrant { api } => Some(Self::GitHubGrant(api)),
        }
    }
}

/// Whether a way to revoke grants of `provider` is known.
#[must_use]
pub fn can_revoke(provider: &Provider) -> bool {
    RevocationMethod::of(provider).is_some()
}

impl Client {
    /// Revokes a grant at the provider (RFC 7009, or an API call of the provider).
    ///
    /// A grant that the provider no longer knows counts as revoked.
    ///
    /// # Errors
    /// [`Error`] says why the grant may still be valid.
    pub async fn revoke(
        &self,
        provider: &Provider,
        access: &AccessToken,
        refresh: Option<&RefreshToken>,
    ) -> Result<Revocation, Error> {
        let ended = match RevocationMethod::of(provider) {
            None => return Ok(Revocation::NoEndpoint),
            Some(RevocationMethod::Endpoint(endpoint)) => {
                self.revoke_both(provider, &endpoint, access, refresh).await
            }
            // These calls need the access token.
            Some(RevocationMethod::OwnCall(_) | RevocationMethod::GitHubGrant(_))
                if access.is_missing() =>
            {
                return Ok(Revocation::NoEndpoint);
            }
            Some(RevocationMethod::OwnCall(address)) => {
                self.call_with_token(provider, &address, access).await
            }
            Some(RevocationMethod::GitHubGrant(api)) => {
                self.delete_github_grant(provider, api, access).await
            }
        };
        ended.map(|()| Revocation::Revoked)
    }

    /// Revokes both tokens (RFC 7009, section 2.1). The refresh token is first,
    /// because most servers revoke the whole grant with it.
    #[expect(
        clippy::disallowed_methods,
        reason = "the token is sent to its provider to be revoked"
    )]
    async fn revoke_both(
        &self,
        provider: &Provider,
        endpoint: &Url,
        access: &AccessToken,
        refresh: Option<&RefreshToken>,
    ) -> Result<(), Error> {
        if let Some(refresh) = refresh {
            let parameters = vec![
                ("token", refresh.expose_secret()),
                ("token_type_hint", "refresh_token"),
            ];
            let request = request::form(provider, endpoint, parameters)?;
            self.send_revocation(provider, request, refresh).await?;
        }
        if access.is_missing() {
            return Ok(());
        }
        let parameters = vec![
            ("token", access.expose_secret()),
            ("token_type_hint", "access_token"),
        ];
        let request = request::form(provider, endpoint, parameters)?;
        match self.send_revocation(provider, request, access).await {
            // The refresh token is revoked. The server does not revoke access
            // tokens (section 2.2.1), or has revoked this one with the grant.
            Err(Error::ClientRejected { .. } | Error::Refused { .. }) if refresh.is_some() => {
                Ok(())
            }
            ended => ended,
        }
    }

    /// Makes a call of the provider's API that revokes the access token it is
    /// made with.
    #[expect(
        clippy::disallowed_methods,
        reason = "the token is sent to its provider to be revoked"
    )]
    async fn call_with_token(
        &self,
        provider: &Provider,
        endpoint: &Url,
        access: &AccessToken,
    ) -> Result<(), Error> {
        let mut request = request::bare(Method::POST, endpoint, Vec::new())?;
        let bearer = request::header(&format!("Bearer {}", access.expose_secret()))?;
        request.headers_mut().insert(AUTHORIZATION, bearer);
        self.send_revocation(provider, request, access).await
    }

    /// Calls GitHub's `DELETE /applications/{client_id}/grant`.
    #[expect(
        clippy::disallowed_methods,
        reason = "the token is sent to its provider to be revoked"
    )]
    pub(super) async fn delete_github_grant(
        &self,
        provider: &Provider,
        api: &str,
        access: &AccessToken,
    ) -> Result<(), Error> {
        let client_id = provider.client.client_id.as_str();
        let address = github_grant(api, client_id).ok_or_else(|| Error::HttpClient {
            what: "the provider's address is not valid".to_owned(),
        })?;
        let body = json!({ "access_token": access.expose_secret() }).to_string();
        let mut request = request::bare(Method::DELETE, &address, body.into_bytes())?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, JSON);
        if let Some(secret) = &provider.client.client_secret {
            headers.insert(AUTHORIZATION, request::basic(client_id, secret)?);
        }
        let reply = self.http.send(request).await?;
        if reply.status() == StatusCode::NOT_FOUND {
            return Ok(()); // The grant does not exist any more.
        }
        self.check(provider, reply, access)
    }

    async fn send_revocation(
        &self,
        provider: &Provider,
        request: HttpRequest,
        token: &impl ExposeSecret<str>,
    ) -> Result<(), Error> {
        let request = request::adapted(request, &provider.quirks());
        let reply = self.http.send(request).await?;
        self.check(provider, reply, token)
    }

    fn check(
        &self,
        provider: &Provider,
        reply: HttpResponse,
        token: &impl ExposeSecret<str>,
    ) -> Result<(), Error> {
        let mut redactor = Redactor::of_client(provider);
        redactor.hide(token);
        let context = ReplyContext {
            quirks: &provider.quirks(),
            redactor: &redactor,
            received_at: self.env.now(),
        };
        let (parts, body) = reply.into_parts();
        match normalize::accepted(&parts, &body, &context) {
            Ok(_) | Err(Error::InvalidGrant { .. }) => Ok(()),
            // RFC 7009, section 2.2, requires 200 for an unknown token; Google
            // and Salesforce send this error.
            Err(Error::Refused { code, .. }) if code == "invalid_token" => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn github_grant(api: &str, client_id: &str) -> Option<Url> {
    let mut address = Url::parse(api).ok()?;
    address
        .path_segments_mut()
        .ok()?
        .pop_if_empty()
        .extend(["applications", client_id, "grant"]);
    Some(address)
}
