//! The end of a grant at the provider: RFC 7009, or the provider's own call.
//!
//! Written without the protocol's crate, which refuses `http` even to loopback
//! addresses and knows no provider's own calls.

use oauth2::http::header::{AUTHORIZATION, CONTENT_TYPE};
use oauth2::http::{Method, StatusCode};
use oauth2::{HttpRequest, HttpResponse};
use serde_json::json;
use url::Url;

use super::redact::Redactor;
use super::request::{self, JSON};
use super::{Client, Error, Revocation, normalize};
use crate::provider::Provider;
use crate::provider::quirks;
use crate::secret::{AccessToken, ExposeSecret, RefreshToken};

/// How a provider ends a grant, and where.
enum RevocationMethod {
    /// RFC 7009, at this endpoint.
    Endpoint(Url),
    /// A call of the provider's own with the access token, at this address.
    OwnCall(Url),
    /// GitHub's, whose API is here.
    GitHubGrant(&'static str),
}

impl RevocationMethod {
    /// The endpoint that the provider's owner named, else what is known of the
    /// provider; `None` if it has no way.
    fn of(provider: &Provider) -> Option<Self> {
        if let Some(endpoint) = &provider.endpoints.revocation {
            return Some(Self::Endpoint(endpoint.clone()));
        }
        let beside = |address| provider.endpoints.token.join(address).ok();
        match provider.quirks().revocation {
            quirks::Revocation::Rfc7009 { beside_token } => {
                beside_token.and_then(beside).map(Self::Endpoint)
            }
            quirks::Revocation::OwnCall { beside_token } => beside(beside_token).map(Self::OwnCall),
            quirks::Revocation::GitHubGrant { api } => Some(Self::GitHubGrant(api)),
        }
    }
}

/// Whether it is known how `provider` ends a grant.
#[must_use]
pub fn can_revoke(provider: &Provider) -> bool {
    RevocationMethod::of(provider).is_some()
}

impl Client {
    /// Ends a grant at the provider (RFC 7009, or the provider's own call).
    ///
    /// A grant that the provider no longer knows is a revoked one.
    ///
    /// # Errors
    /// [`Error`] says why the grant may still stand.
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
            // Their calls are made with the access token.
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

    /// RFC 7009, section 2.1: the refresh token first, with which most servers
    /// end the whole grant; then the access token, in case one does not.
    #[expect(
        clippy::disallowed_methods,
        reason = "a token goes to its own provider, to be revoked"
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
            self.end(provider, request, refresh).await?;
        }
        if access.is_missing() {
            return Ok(());
        }
        let parameters = vec![
            ("token", access.expose_secret()),
            ("token_type_hint", "access_token"),
        ];
        let request = request::form(provider, endpoint, parameters)?;
        match self.end(provider, request, access).await {
            // The grant has ended; this server revokes no access tokens
            // (section 2.2.1) or has forgotten this one with the grant.
            Err(Error::ClientRejected { .. } | Error::Refused { .. }) if refresh.is_some() => {
                Ok(())
            }
            ended => ended,
        }
    }

    /// A call of the provider's API, made with the access token itself.
    #[expect(
        clippy::disallowed_methods,
        reason = "a token goes to its own provider, to be revoked"
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
        self.end(provider, request, access).await
    }

    /// GitHub's `DELETE /applications/{client_id}/grant`.
    #[expect(
        clippy::disallowed_methods,
        reason = "a token goes to its own provider, to be revoked"
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
            return Ok(()); // GitHub knows no such grant any more.
        }
        self.check(provider, reply, access)
    }

    async fn end(
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
        let context = normalize::ReplyContext {
            quirks: &provider.quirks(),
            redactor: &redactor,
            received_at: self.env.now(),
        };
        let (parts, body) = reply.into_parts();
        match normalize::accepted(&parts, &body, &context) {
            Ok(_) | Err(Error::InvalidGrant { .. }) => Ok(()),
            // RFC 7009, section 2.2, wants 200 for a token that is not known;
            // Google and Salesforce say this.
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
