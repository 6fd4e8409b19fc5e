//! One struct for each request body and query of the contract, in domain types.
//!
//! Each is read as a table: a line per field, then the rules between fields.
//! Members that the contract does not name are ignored. A provider that a
//! request only names stays a text: an impossible name is an unknown provider,
//! not a malformed request.

mod flows;
mod providers;
mod redirects;
mod tokens;

pub use flows::{AuthenticateRequest, FinalizeRequest, WaitQuery};
pub use providers::{McpProviderCreateRequest, ProviderCreateRequest, ProviderUpdateRequest};
pub use redirects::{CallbackQuery, SetupQuery};
pub use tokens::{
    CreateConnectionRequest, EventsQuery, ImportedToken, OptionalProviderQuery, ProviderQuery,
    TokenImportRequest, TokenStatusBatchRequest, TokenUpdateRequest, UpsertAgentTokenRequest,
};
