//! Discovery: finds the authorization server of an MCP server and registers a
//! client there.
//!
//! The MCP server is called without a token. Its 401 response, or a well-known
//! address, names its metadata (RFC 9728). That names the authorization server,
//! whose metadata (RFC 8414, OpenID Connect Discovery 1.0) names the registration
//! endpoint (RFC 7591).
//!
//! The address may come from an agent, and the documents from any server. So each
//! address is checked before a request is sent to it
//! (`discovery/address_policy.rs`), the size of replies is limited, and the whole
//! discovery must finish within [`TIMEOUT`]. No secret is sent. Errors name the
//! step and what was found, and do not quote replies.

mod address_policy;
mod challenge;
mod client;
mod registration;
mod resource;
mod revocation;
mod server;

use std::time::Duration;

use url::Url;

use super::{Client, shown_text};
use crate::provider::{self, Endpoints};
use client::DiscoveryClient;

/// The time limit for a discovery: the caller gets an answer within ten seconds.
const TIMEOUT: Duration = Duration::from_secs(8);

/// A step of a discovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The MCP server's response to a call without a token.
    McpServer,
    /// The MCP server's metadata (RFC 9728).
    Resource,
    /// The authorization server's metadata (RFC 8414).
    AuthorizationServer,
    /// The client's registration there (RFC 7591).
    Registration,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::McpServer => "the MCP server",
            Self::Resource => "the MCP server's metadata (RFC 9728)",
            Self::AuthorizationServer => "the authorization server's metadata (RFC 8414)",
            Self::Registration => "the client's registration (RFC 7591)",
        })
    }
}

/// Why a discovery failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The address, or a server that it leads to, cannot be used: give another
    /// address or correct the server's configuration.
    #[error("{step}: {what}")]
    Unsupported {
        /// The step that failed.
        step: Step,
        /// What was found.
        what: String,
    },
    /// A server failed, rejected the request, or sent a malformed reply.
    #[error("{step}: {what}")]
    MalformedResponse {
        /// The step that failed.
        step: Step,
        /// What was found.
        what: String,
    },
    /// A server is temporarily unreachable.
    #[error("{step}: {host} cannot be reached now")]
    Unreachable {
        /// The step that failed.
        step: Step,
        /// The host of the server.
        host: String,
    },
    /// This machine cannot send requests.
    #[error("cannot send requests: {what}")]
    HttpClient {
        /// What is missing.
        what: String,
    },
}

impl Error {
    fn unsupported(step: Step, what: impl Into<String>) -> Self {
        let what = what.into();
        Self::Unsupported { step, what }
    }

    fn malformed(step: Step, what: impl Into<String>) -> Self {
        let what = what.into();
        Self::MalformedResponse { step, what }
    }
}

/// The result of a discovery.
#[derive(Clone, Debug)]
pub struct Discovered {
    /// The registered client.
    pub client: provider::Client,
    /// The endpoints of the authorization server.
    pub endpoints: Endpoints,
    /// The resource indicator (RFC 8707), spelled as in the server's metadata.
    pub resource: String,
}

impl Client {
    /// Finds the authorization server of the MCP server at `mcp_server` and
    /// registers a client with the redirect URI `redirect_uri` there.
    ///
    /// # Errors
    /// [`Error`] says what the caller can do. The registration is the last step.
    pub async fn discover(
        &self,
        mcp_server: &Url,
        redirect_uri: &str,
    ) -> Result<Discovered, Error> {
        let client = DiscoveryClient::starting_at(mcp_server, TIMEOUT)?;
        let resource = resource::find(&client, mcp_server).await?;
        let server = server::find(&client, &resource.issuers).await?;
        let client = registration::register(&client, &server, redirect_uri).await?;
        Ok(Discovered {
            client,
            endpoints: server.endpoints,
            resource: resource.identifier,
        })
    }
}

/// An address as errors show it: without its query, which may contain a key.
fn shown(address: &Url) -> String {
    let mut bare = address.clone();
    bare.set_query(None);
    bare.set_fragment(None);
    shown_text(bare.as_str())
}
