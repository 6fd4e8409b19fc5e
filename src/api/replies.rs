//! One struct for each reply of the contract: filled by the daemon, read by
//! the client.
//!
//! Every field of the contract is always written, null when there is nothing
//! to say; fields may be added, never renamed or taken away. An access token
//! is the only secret in any of them.

mod connections;
mod flows;
mod providers;
mod token;
mod tokens;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

pub use connections::{ConnectionListResponse, ConnectionResponse};
pub use flows::{AuthStatus, AuthenticateResponse, WaitResponse, WaitStatus, token_metadata};
pub use providers::ProviderResponse;
pub use tokens::{
    RevokeTokensResponse, TokenEventSummary, TokenImportResponse, TokenStatusBatchResponse,
    TokenStatusResponse, TokenSummary,
};

/// A sentence about what was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The sentence.
    pub message: String,
}

/// Any error but a malformed request, which is answered with
/// [`Faults`](crate::api::validate::Faults).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What is wrong and what to do.
    pub detail: String,
}

/// `GET /info`: the daemon about itself and, in its counts, the caller's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// The daemon's version.
    pub version: String,
    /// Whether all of it works.
    pub status: Health,
    /// What does not, for a person; `None` when all does.
    #[serde(default)]
    pub degraded_reason: Option<String>,
    /// Where redirects arrive, such as `http://127.0.0.1:8252`.
    pub redirect_base: String,
    /// When the daemon started; `None` if it does not say.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// The caller's providers.
    pub providers: u64,
    /// The caller's tokens.
    pub tokens: u64,
    /// The caller's flows that have not ended.
    pub flows_pending: u64,
}

/// Whether the daemon can do all of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It can.
    Ok,
    /// It serves what it has, but cannot store anything new.
    Degraded,
}

#[cfg(test)]
mod tests;
