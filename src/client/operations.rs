//! The daemon's operations, a method each.
//!
//! Each fails as [`Error`] says; what the daemon refuses, and with which
//! status, is in the contract.

use std::ffi::OsStr;
use std::fmt::Display;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::requests::{
    Authenticate, DefaultChange, Finalize, FollowUpAnswer, NewMcpProvider, NewProvider,
    ProviderChanges, TokenImport,
};
use super::{Client, Error, send};
use crate::api::replies::{
    AuthenticateResponse, BrowserLinkResponse, FollowUpResponse, Info, Message, ProviderResponse,
    RevokeTokensResponse, TokenImportResponse, TokenStatusResponse, TokenSummary, WaitResponse,
};
use crate::api::{ALSO_ENDED_HEADER, FOLDER_HEADER};
use crate::identity::{FlowId, ProviderId, TokenId};
use crate::secret::{AuthorizationCode, State};

/// What is encoded in a segment of a path (RFC 3986, section 3.3), and some more.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

impl Client {
    /// Whether the daemon is alive.
    pub async fn ok(&self) -> Result<(), Error> {
        self.fetch::<Value>("/ok").await.map(drop)
    }

    /// The daemon about itself.
    pub async fn info(&self) -> Result<Info, Error> {
        self.fetch("/info").await
    }

    /// A copy of the vault that the daemon has open, as the bytes of a file,
    /// and the folder of the vault. For root and the daemon's own
    /// account.
    pub async fn copy_vault(&self) -> Result<(PathBuf, Vec<u8>), Error> {
        let path = "/vault";
        let not_understood = || Error::NotUnderstood {
            path: path.to_owned(),
        };
        let request = Request::get(path).body(Full::default());
        let request = request.map_err(|_| not_understood())?;
        let answer = send(self.socket(), request).await?;
        let status = answer.status();
        let folder = answer.headers().get(FOLDER_HEADER);
        let folder = folder.map(|name| PathBuf::from(OsStr::from_bytes(name.as_bytes())));
        if !status.is_success() {
            return Err(Error::Refused {
                status,
                detail: format!("agent-authd answered {status}"),
                retry_after: None,
            });
        }
        let body = answer.into_body().collect().await;
        let bytes = body.map_err(|error| Error::Broken(io::Error::other(error)))?;
        Ok((folder.ok_or_else(not_understood)?, bytes.to_bytes().into()))
    }

    /// Creates a provider.
    pub async fn create_provider(&self, provider: &NewProvider) -> Result<ProviderResponse, Error> {
        self.call(Method::POST, "/v2/auth/providers", Some(provider))
            .await
    }

    /// Creates a provider from an MCP server's address.
    pub async fn discover_provider(
        &self,
        server: &NewMcpProvider,
    ) -> Result<ProviderResponse, Error> {
        let path = "/v2/auth/providers/mcp-discover";
        self.call(Method::POST, path, Some(server)).await
    }

    /// Every provider of this owner.
    pub async fn providers(&self) -> Result<Vec<ProviderResponse>, Error> {
        self.fetch("/v2/auth/providers").await
    }

    /// The providers that the machine's administrator offers to every user.
    pub async fn platform_providers(&self) -> Result<Vec<ProviderResponse>, Error> {
        self.fetch("/v2/auth/platform-providers").await
    }

    /// One provider.
    pub async fn provider(&self, id: &ProviderId) -> Result<ProviderResponse, Error> {
        self.fetch(&format!("/v2/auth/providers/{id}")).await
    }

    /// Changes a provider.
    pub async fn update_provider(
        &self,
        id: &ProviderId,
        changes: &ProviderChanges,
    ) -> Result<ProviderResponse, Error> {
        let path = format!("/v2/auth/providers/{id}");
        self.call(Method::PATCH, &path, Some(changes)).await
    }

    /// Deletes a provider with its tokens.
    pub async fn delete_provider(&self, id: &ProviderId) -> Result<Message, Error> {
        self.remove(&format!("/v2/auth/providers/{id}")).await
    }

    /// Asks for a token, or for a flow that leads to one.
    pub async fn authenticate(&self, wanted: &Authenticate) -> Result<AuthenticateResponse, Error> {
        self.call(Method::POST, "/v2/auth/authenticate", Some(wanted))
            .await
    }

    /// Waits for a flow to end, for `timeout` at most (whole seconds, up to an hour).
    pub async fn wait(&self, flow: FlowId, timeout: Duration) -> Result<WaitResponse, Error> {
        let seconds = timeout.as_secs();
        self.fetch(&format!("/v2/auth/wait/{flow}?timeout={seconds}"))
            .await
    }

    /// An address that a browser can be started on: it sends one browser of this
    /// user on to the flow, once.
    pub async fn browser_link(&self, flow: FlowId) -> Result<BrowserLinkResponse, Error> {
        let path = format!("/v2/auth/flows/{flow}/browser-link");
        self.call(Method::POST, &path, None::<&()>).await
    }

    /// What a completed flow leaves to ask.
    pub async fn follow_up(&self, flow: FlowId) -> Result<FollowUpResponse, Error> {
        self.fetch(&format!("/v2/auth/flows/{flow}/follow-up"))
            .await
    }

    /// Answers whether a completed flow came back with the account that was to be
    /// renewed.
    pub async fn answer_follow_up(
        &self,
        flow: FlowId,
        same_account: bool,
    ) -> Result<FollowUpResponse, Error> {
        let path = format!("/v2/auth/flows/{flow}/follow-up");
        let answer = FollowUpAnswer { same_account };
        self.call(Method::POST, &path, Some(&answer)).await
    }

    /// Finishes a flow with what a redirect brought to a place that the daemon
    /// does not hear; `iss` is RFC 9207's parameter, where there was one.
    pub async fn finalize(
        &self,
        provider: &ProviderId,
        code: AuthorizationCode,
        state: State,
        iss: Option<String>,
    ) -> Result<(), Error> {
        let path = format!("/v2/auth/callback/{provider}");
        let body = Finalize { code, state, iss };
        let answer: Value = self.call(Method::POST, &path, Some(&body)).await?;
        drop(answer);
        Ok(())
    }

    /// Stores a token that was obtained elsewhere.
    pub async fn import_token(&self, token: &TokenImport) -> Result<TokenImportResponse, Error> {
        self.call(Method::POST, "/v2/auth/tokens/import", Some(token))
            .await
    }

    /// The tokens, of one provider or of all, without their secrets.
    pub async fn tokens(&self, provider: Option<&ProviderId>) -> Result<Vec<TokenSummary>, Error> {
        let query = provider.map_or_else(String::new, |id| format!("?provider_id={id}"));
        self.fetch(&format!("/v2/auth/tokens{query}")).await
    }

    /// Whether there is a token for a provider.
    pub async fn token_exists(&self, provider: &ProviderId) -> Result<bool, Error> {
        let path = format!("/v2/auth/tokens/exists?provider_id={provider}");
        let answer: TokenStatusResponse = self.fetch(&path).await?;
        Ok(answer.has_token)
    }

    /// Revokes and deletes every token for a provider.
    pub async fn delete_tokens(
        &self,
        provider: &ProviderId,
    ) -> Result<RevokeTokensResponse, Error> {
        self.remove(&format!("/v2/auth/tokens?provider_id={provider}"))
            .await
    }

    /// Makes a token the default of its provider, user and agent.
    pub async fn make_default(&self, token_id: TokenId) -> Result<TokenSummary, Error> {
        let path = format!("/v2/auth/tokens/{token_id}/metadata");
        let changes = DefaultChange { is_default: true };
        self.call(Method::PATCH, &path, Some(&changes)).await
    }

    /// Revokes and deletes one token, by its identifier as lists and
    /// `agent-auth vault check` show it: that of a damaged row may be none of
    /// this daemon's making. Gives the identifiers of other tokens of the same
    /// account, which many providers end with it.
    pub async fn delete_token(&self, token_id: impl Display) -> Result<Vec<String>, Error> {
        let token_id = token_id.to_string();
        let token_id = utf8_percent_encode(&token_id, SEGMENT);
        let path = format!("/v2/auth/tokens/{token_id}");
        let deleted = self.call_with_headers::<()>(Method::DELETE, &path, None::<&()>);
        let (headers, ()) = deleted.await?;
        let also_ended = headers.get(ALSO_ENDED_HEADER);
        let also_ended = also_ended.and_then(|ids| ids.to_str().ok()).unwrap_or("");
        let ids = also_ended.split(", ").filter(|id| !id.is_empty());
        Ok(ids.map(str::to_owned).collect())
    }
}
