//! Requests about stored tokens, their events, and the agents that use them.

use serde_json::{Map, Value};

use crate::api::validate::{
    Faults, Fields, flag, list, object, present, scopes, seconds, text, whole_number,
    without_secrets,
};
use crate::identity::Scopes;
use crate::secret::{AccessToken, RefreshToken};

/// How many events are listed when the query does not say.
const DEFAULT_EVENTS: u32 = 50;

/// The most events that one answer lists.
const MOST_EVENTS: u32 = 200;

/// `POST /v2/auth/tokens/import`.
#[derive(Clone, Debug)]
pub struct TokenImportRequest {
    /// The provider's identifier.
    pub provider_id: String,
    /// The token, obtained elsewhere.
    pub token: ImportedToken,
    /// It becomes the default.
    pub is_default: bool,
}

impl TokenImportRequest {
    /// Reads the body.
    ///
    /// # Errors
    /// Every fault of it.
    pub fn from_json(body: &[u8]) -> Result<Self, Faults> {
        let mut fields = Fields::body(body)?;
        let provider_id = fields.required("provider_id", text);
        let token = ImportedToken::read(&mut fields);
        let is_default = fields.present("is_default", flag);
        fields.finish(|| {
            Some(Self {
                provider_id: provider_id?,
                token: token?,
                is_default: is_default.unwrap_or(true),
            })
        })
    }
}

/// A token that was obtained elsewhere.
#[derive(Clone, Debug)]
pub struct ImportedToken {
    /// The access token, not empty.
    pub access_token: AccessToken,
    /// The refresh token; an empty one is none.
    pub refresh_token: Option<RefreshToken>,
    /// The access token's life from now, in seconds, not negative; `None` if
    /// it does not expire.
    pub expires_in_seconds: Option<i64>,
    /// The scopes granted.
    pub scopes: Scopes,
    /// What to store with it: without members that carry a credential, since
    /// metadata is stored and handed out in clear.
    pub metadata: Option<Map<String, Value>>,
}

impl ImportedToken {
    fn read(fields: &mut Fields) -> Option<Self> {
        let access_token = fields.required("access_token", present);
        let refresh_token = fields.optional("refresh_token", text);
        let expires_in_seconds = fields.optional("expires_in_seconds", seconds);
        let scopes = fields.present("scopes", scopes);
        let metadata = fields.optional("metadata", object);
        Some(Self {
            access_token: AccessToken::new(access_token?),
            refresh_token: refresh_token
                .filter(|text| !text.is_empty())
                .map(RefreshToken::new),
            expires_in_seconds,
            scopes: scopes.unwrap_or_default(),
            metadata: metadata.map(|members| without_secrets(&members)),
        })
    }
}

/// `POST /v2/auth/agents/{agent_id}/providers/{provider_id}/tokens`.
#[derive(Clone, Debug)]
pub struct UpsertAgentTokenRequest {
    /// The token, obtained elsewhere.
    pub token: ImportedToken,
    /// What a person calls the account.
    pub provider_account_label: Option<String>,
}

impl UpsertAgentTokenRequest {
    /// Reads the body.
    ///
    /// # Errors
    /// Every fault of it.
    pub fn from_json(body: &[u8]) -> Result<Self, Faults> {
        let mut fields = Fields::body(body)?;
        let token = ImportedToken::read(&mut fields);
        let provider_account_label = fields.optional("provider_account_label", text);
        fields.finish(|| {
            Some(Self {
                token: token?,
                provider_account_label,
            })
        })
    }
}

/// `POST /v2/auth/tokens/exists/batch`.
#[derive(Clone, Debug)]
pub struct TokenStatusBatchRequest {
    /// The providers' identifiers.
    pub provider_ids: Vec<String>,
}

impl TokenStatusBatchRequest {
    /// Reads the body.
    ///
    /// # Errors
    /// Every fault of it.
    pub fn from_json(body: &[u8]) -> Result<Self, Faults> {
        let mut fields = Fields::body(body)?;
        let provider_ids = fields.required("provider_ids", |place| list(place, text));
        fields.finish(|| {
            Some(Self {
                provider_ids: provider_ids?,
            })
        })
    }
}

/// `PATCH /v2/auth/tokens/{token_id}/metadata`: what is `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct TokenUpdateRequest {
    /// What a person calls the account.
    pub provider_account_label: Option<String>,
    /// Whether it is the default.
    pub is_default: Option<bool>,
}

impl TokenUpdateRequest {
    /// Reads the body.
    ///
    /// # Errors
    /// Every fault of it.
    pub fn from_json(body: &[u8]) -> Result<Self, Faults> {
        let mut fields = Fields::body(body)?;
        let request = Self {
            provider_account_label: fields.optional("provider_account_label", text),
            is_default: fields.optional("is_default", flag),
        };
        fields.finish(|| Some(request))
    }
}

/// `POST /v2/auth/agents/{agent_id}/connections`.
#[derive(Clone, Debug)]
pub struct CreateConnectionRequest {
    /// The token that the agent may use.
    pub oauth_token_id: String,
}

impl CreateConnectionRequest {
    /// Reads the body.
    ///
    /// # Errors
    /// Every fault of it.
    pub fn from_json(body: &[u8]) -> Result<Self, Faults> {
        let mut fields = Fields::body(body)?;
        let oauth_token_id = fields.required("oauth_token_id", text);
        fields.finish(|| {
            Some(Self {
                oauth_token_id: oauth_token_id?,
            })
        })
    }
}

/// The query of a call about one provider.
#[derive(Clone, Debug)]
pub struct ProviderQuery {
    /// The provider's identifier.
    pub provider_id: String,
}

impl ProviderQuery {
    /// Reads the query, without its `?`.
    ///
    /// # Errors
    /// Every fault of it.
    pub fn from_query(query: &str) -> Result<Self, Faults> {
        let mut fields = Fields::query(query);
        let provider_id = fields.required("provider_id", text);
        fields.finish(|| {
            Some(Self {
                provider_id: provider_id?,
            })
        })
    }
}

/// The query of a call about one provider or all.
#[derive(Clone, Debug, Default)]
pub struct OptionalProviderQuery {
    /// Only this provider.
    pub provider_id: Option<String>,
}

impl OptionalProviderQuery {
    /// Reads the query, without its `?`.
    ///
    /// # Errors
    /// Every fault of it.
    pub fn from_query(query: &str) -> Result<Self, Faults> {
        let mut fields = Fields::query(query);
        let provider_id = fields.optional("provider_id", text);
        fields.finish(|| Some(Self { provider_id }))
    }
}

/// `GET /v2/auth/token-events`.
#[derive(Clone, Debug)]
pub struct EventsQuery {
    /// Only this provider.
    pub provider_id: Option<String>,
    /// At most this many.
    pub limit: u32,
}

impl EventsQuery {
    /// Reads the query, without its `?`.
    ///
    /// # Errors
    /// Every fault of it.
    pub fn from_query(query: &str) -> Result<Self, Faults> {
        let mut fields = Fields::query(query);
        let provider_id = fields.optional("provider_id", text);
        let limit = fields.present("limit", |place| whole_number(place, 1..=MOST_EVENTS));
        fields.finish(|| {
            Some(Self {
                provider_id,
                limit: limit.unwrap_or(DEFAULT_EVENTS),
            })
        })
    }
}
