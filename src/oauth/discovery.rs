//! From the address of an MCP server to a client registered with the server
//! that authorizes its callers.
//!
//! The server is asked without a token; its refusal, or a well-known address,
//! names its metadata (RFC 9728), and that names the authorization server,
//! whose metadata (RFC 8414, OpenID Connect Discovery 1.0) names where a client
//! registers (RFC 7591).
//!
//! The address may come from an agent, and what is found there from anybody:
//! each address on the way is judged before it is asked (`discovery/address_policy.rs`),
//! answers are bounded, and all of it must be done within [`TIMEOUT`]. Nothing
//! secret is sent. Errors name the step and what was found, and repeat no
//! answer.

mod challenge;
mod client;
mod address_policy;
mod registration;
mod resource;
mod revocation;
mod server;

use std::time::Duration;

use url::Url;

use super::{Client, shown_text};
use crate::provider::{self, Endpoints};
use client::DiscoveryClient;

/// How long all of it may take; whoever asked is told within ten seconds.
const TIMEOUT: Duration = Duration::from_secs(8);

/// What was being looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The MCP server's own answer to a call without a token.
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

/// Why an MCP server's address leads to no client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The address, or what it leads to, cannot be used: another one must be
    /// given, or the server be put right.
    #[error("{step}: {what}")]
    Unsupported {
        /// Where it was found.
        step: Step,
        /// What was found.
        what: String,
    },
    /// A server failed, refused, or answered malformed.
    #[error("{step}: {what}")]
    MalformedResponse {
        /// Where.
        step: Step,
        /// What was found.
        what: String,
    },
    /// A server cannot be reached now.
    #[error("{step}: {host} cannot be reached now")]
    Unreachable {
        /// On the way to what.
        step: Step,
        /// The server.
        host: String,
    },
    /// This machine cannot ask at all.
    #[error("no request can be made: {what}")]
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

/// What was found, and registered.
#[derive(Clone, Debug)]
pub struct Discovered {
    /// The client, which is a registered one now.
    pub client: provider::Client,
    /// The authorization server's addresses.
    pub endpoints: Endpoints,
    /// The resource indicator (RFC 8707), in the server's own letters.
    pub resource: String,
}

impl Client {
    /// Finds who authorizes the callers of the MCP server at `mcp_server` and
    /// registers a client there that is redirected to `redirect_uri`.
    ///
    /// # Errors
    /// [`Error`] says what the caller can do. Nothing is registered unless all
    /// else was found good.
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

/// An address as errors show it: without its query, which may hold a key.
fn shown(address: &Url) -> String {
    let mut bare = address.clone();
    bare.set_query(None);
    bare.set_fragment(None);
    shown_text(bare.as_str())
}
