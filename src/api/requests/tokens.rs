//! Requests to import tokens, to look for tokens, and to connect agents.

use super::identifiers;
use crate::api::validate::{
    FieldErrors, Fields, boolean, filled_label, label, list, non_empty_text, object, scopes,
    seconds, text, without_secrets,
};
use crate::broker;
use crate::broker::commands::{ConnectAgent, ImportToken, ImportedToken, SetAgentToken};
use crate::identity::{AgentId, ProviderId, Scopes, UserId};
use crate::secret::{AccessToken, RefreshToken};

/// `POST /v2/auth/tokens/import`.
#[derive(Clone, Debug)]
pub struct TokenImportRequest {
    /// The provider's identifier.
    pub provider_id: String,
    /// The imported token.
    pub token: ImportedToken,
    /// Whether it becomes the default.
    pub is_default: bool,
}

impl TokenImportRequest {
    /// Parses the body.
    ///
    /// # Errors
    /// All validation errors.
    pub fn from_json(body: &[u8]) -> Result<Self, FieldErrors> {
        let mut fields = Fields::body(body)?;
        let provider_id = fields.required("provider_id", text);
        let token = imported_token(&mut fields);
        let is_default = fields.with_default("is_default", boolean, true);
        fields.finish(|| {
            Some(Self {
                provider_id: provider_id?,
                token: token?,
                is_default,
            })
        })
    }
}

impl TryFrom<TokenImportRequest> for ImportToken {
    type Error = broker::Error;

    /// Converts the request to a command. Fails if the provider identifier is invalid.
    fn try_from(request: TokenImportRequest) -> Result<Self, broker::Error> {
        Ok(Self {
            provider_id: identifiers::provider(&request.provider_id)?,
            token: request.token,
            is_default: request.is_default,
        })
    }
}

/// The members of a body that are a token obtained elsewhere.
fn imported_token(fields: &mut Fields) -> Option<ImportedToken> {
    let access_token = fields
        .required("access_token", non_empty_text)
        .map(AccessToken::new);
    let refresh_token = fields
        .optional("refresh_token", text)
        .and_then(refresh_token);
    let expires_in = fields.optional("expires_in_seconds", seconds);
    let scopes = fields.with_default("scopes", scopes, Scopes::default());
    let user_id = fields.optional("user_id", filled_label);
    let metadata = fields.optional("metadata", object);
    Some(ImportedToken {
        user_id: user_id.as_deref().and_then(UserId::parse),
        access_token: access_token?,
        refresh_token,
        expires_in,
        scopes,
        metadata: metadata.as_ref().map(without_secrets).unwrap_or_default(),
    })
}

/// A refresh token; `None` if it is empty.
fn refresh_token(text: String) -> Option<RefreshToken> {
    (!text.is_empty()).then(|| RefreshToken::new(text))
}

/// `POST /v2/auth/agents/{agent_id}/providers/{provider_id}/tokens`.
#[derive(Clone, Debug)]
pub struct UpsertAgentTokenRequest {
    /// The imported token.
    pub token: ImportedToken,
    /// The name of the account for people.
    pub provider_account_label: Option<String>,
}

impl UpsertAgentTokenRequest {
    /// Parses the body.
    ///
    /// # Errors
    /// All validation errors.
    pub fn from_json(body: &[u8]) -> Result<Self, FieldErrors> {
        let mut fields = Fields::body(body)?;
        let token = imported_token(&mut fields);
        let provider_account_label = fields.optional("provider_account_label", label);
        fields.finish(|| {
            Some(Self {
                token: token?,
                provider_account_label,
            })
        })
    }
}

impl UpsertAgentTokenRequest {
    /// The command for the agent and the provider that the path names.
    #[must_use]
    pub fn into_command(self, agent_id: AgentId, provider_id: ProviderId) -> SetAgentToken {
        SetAgentToken {
            agent_id,
            provider_id,
            token: self.token,
            label: self.provider_account_label,
        }
    }
}

/// `POST /v2/auth/tokens/exists/batch`.
#[derive(Clone, Debug)]
pub struct TokenStatusBatchRequest {
    /// The providers' identifiers.
    pub provider_ids: Vec<String>,
}

impl TokenStatusBatchRequest {
    /// Parses the body.
    ///
    /// # Errors
    /// All validation errors.
    pub fn from_json(body: &[u8]) -> Result<Self, FieldErrors> {
        let mut fields = Fields::body(body)?;
        let provider_ids = fields.required("provider_ids", |field| list(field, text));
        fields.finish(|| {
            Some(Self {
                provider_ids: provider_ids?,
            })
        })
    }
}

/// `POST /v2/auth/agents/{agent_id}/connections`.
#[derive(Clone, Debug)]
pub struct CreateConnectionRequest {
    /// The token that the agent may use.
    pub oauth_token_id: String,
}

impl CreateConnectionRequest {
    /// Parses the body.
    ///
    /// # Errors
    /// All validation errors.
    pub fn from_json(body: &[u8]) -> Result<Self, FieldErrors> {
        let mut fields = Fields::body(body)?;
        let oauth_token_id = fields.required("oauth_token_id", text);
        fields.finish(|| {
            Some(Self {
                oauth_token_id: oauth_token_id?,
            })
        })
    }
}

impl CreateConnectionRequest {
    /// The command for the agent that the path names.
    ///
    /// # Errors
    /// That there is no such token, for a text that identifies none.
    pub fn into_command(self, agent_id: AgentId) -> Result<ConnectAgent, broker::Error> {
        Ok(ConnectAgent {
            agent_id,
            token_id: identifiers::token(&self.oauth_token_id)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;

    fn import(body: &Value) -> Result<TokenImportRequest, FieldErrors> {
        TokenImportRequest::from_json(body.to_string().as_bytes())
    }

    fn import_with(name: &str, value: Value) -> Result<TokenImportRequest, FieldErrors> {
        let mut body = json!({"provider_id": "github", "access_token": "gho_x"});
        body[name] = value;
        import(&body)
    }

    #[test]
    fn absent_members_have_the_contracts_defaults() {
        let request = import_with("refresh_token", json!("")).unwrap();
        assert!(request.is_default);
        assert!(request.token.scopes.is_empty());
        assert!(request.token.refresh_token.is_none());
        assert_eq!(request.token.expires_in, None);
    }

    #[test]
    fn a_lifetime_is_a_non_negative_integer() {
        for (life, seconds) in [
            (json!(3600), 3600),
            (json!(3.0), 3),
            (json!(0), 0),
            (json!(u64::MAX), i64::MAX as u64),
            (json!(1e20), i64::MAX as u64),
        ] {
            let request = import_with("expires_in_seconds", life).unwrap();
            assert_eq!(request.token.expires_in, Some(Duration::from_secs(seconds)));
        }
        for (life, kind) in [
            (json!(1.5), "int_from_float"),
            (json!("60"), "int_parsing"),
            (json!(true), "int_type"),
            (json!(-1), "greater_than_equal"),
            (json!(-1.0), "greater_than_equal"),
        ] {
            let faults = import_with("expires_in_seconds", life.clone()).unwrap_err();
            assert_eq!(faults.detail[0].kind, kind, "{life}");
            assert_eq!(faults.detail[0].input, Some(life));
        }
    }

    #[test]
    fn an_invalid_secret_is_not_echoed() {
        let faults = import(&json!({"access_token": ["hidden"], "Refresh_Token": "hidden"}));
        assert_eq!(
            serde_json::to_value(faults.unwrap_err()).unwrap(),
            json!({"detail": [
                {
                    "loc": ["body", "provider_id"],
                    "msg": "Field required",
                    "type": "missing",
                    "input": {"access_token": "[redacted]", "Refresh_Token": "[redacted]"},
                },
                {
                    "loc": ["body", "access_token"],
                    "msg": "Input should be a valid string",
                    "type": "string_type",
                    "input": "[redacted]",
                },
            ]})
        );
    }

    #[test]
    fn an_empty_access_token_is_rejected() {
        let faults = import_with("access_token", json!("")).unwrap_err();
        assert_eq!(
            faults.to_string(),
            "body.access_token: String should have at least 1 character"
        );
    }

    #[test]
    fn credentials_are_removed_from_metadata() {
        let metadata = json!({
            "team": {"id": "T1", "access_token": "x"},
            "users": [{"Refresh_Token": "x", "state": "CA"}],
            "client_secret": "x",
        });
        assert_eq!(
            Value::Object(import_with("metadata", metadata).unwrap().token.metadata),
            json!({"team": {"id": "T1"}, "users": [{"state": "CA"}]})
        );
    }

    #[test]
    fn every_item_of_a_list_is_read() {
        let faults = TokenStatusBatchRequest::from_json(br#"{"provider_ids": [1, "a", null]}"#);
        assert_eq!(
            faults.unwrap_err().to_string(),
            "body.provider_ids.0: Input should be a valid string; \
             body.provider_ids.2: Input should be a valid string"
        );
    }
}
