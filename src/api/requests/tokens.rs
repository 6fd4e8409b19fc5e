//! Requests that bring a token, look for tokens, or let an agent use one.

use serde_json::{Map, Value};

use crate::api::validate::{
    FieldErrors, Fields, boolean, filled_label, label, list, non_empty_text, object, scopes,
    seconds, text, without_secrets,
};
use crate::identity::{Scopes, UserId};
use crate::secret::{AccessToken, RefreshToken};

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
    pub fn from_json(body: &[u8]) -> Result<Self, FieldErrors> {
        let mut fields = Fields::body(body)?;
        let provider_id = fields.required("provider_id", text);
        let token = ImportedToken::read(&mut fields);
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
    /// For whom it speaks; `None` for the owner's login name.
    pub user_id: Option<UserId>,
    /// What to store with it: without members that carry a credential, since
    /// metadata is stored and handed out in clear.
    pub metadata: Option<Map<String, Value>>,
}

impl ImportedToken {
    fn read(fields: &mut Fields) -> Option<Self> {
        let access_token = fields
            .required("access_token", non_empty_text)
            .map(AccessToken::new);
        let refresh_token = fields
            .optional("refresh_token", text)
            .and_then(refresh_token);
        let expires_in_seconds = fields.optional("expires_in_seconds", seconds);
        let scopes = fields.with_default("scopes", scopes, Scopes::default());
        let user_id = fields.optional("user_id", filled_label);
        let metadata = fields.optional("metadata", object);
        Some(Self {
            user_id: user_id.as_deref().and_then(UserId::parse),
            access_token: access_token?,
            refresh_token,
            expires_in_seconds,
            scopes,
            metadata: metadata.map(|members| without_secrets(&members)),
        })
    }
}

fn refresh_token(text: String) -> Option<RefreshToken> {
    (!text.is_empty()).then(|| RefreshToken::new(text))
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
    pub fn from_json(body: &[u8]) -> Result<Self, FieldErrors> {
        let mut fields = Fields::body(body)?;
        let token = ImportedToken::read(&mut fields);
        let provider_account_label = fields.optional("provider_account_label", label);
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
    /// Reads the body.
    ///
    /// # Errors
    /// Every fault of it.
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

#[cfg(test)]
mod tests {
    use serde_json::json;

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
    fn what_is_left_out_has_the_contracts_default() {
        let request = import_with("refresh_token", json!("")).unwrap();
        assert!(request.is_default);
        assert!(request.token.scopes.is_empty());
        assert!(request.token.refresh_token.is_none());
        assert_eq!(request.token.expires_in_seconds, None);
    }

    #[test]
    fn a_life_is_a_whole_number_of_seconds_not_below_zero() {
        for (life, seconds) in [
            (json!(3600), 3600),
            (json!(3.0), 3),
            (json!(0), 0),
            (json!(u64::MAX), i64::MAX),
            (json!(1e20), i64::MAX),
        ] {
            let request = import_with("expires_in_seconds", life).unwrap();
            assert_eq!(request.token.expires_in_seconds, Some(seconds));
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
    fn a_secret_at_fault_is_not_shown() {
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
    fn an_empty_access_token_is_refused() {
        let faults = import_with("access_token", json!("")).unwrap_err();
        assert_eq!(
            faults.to_string(),
            "body.access_token: String should have at least 1 character"
        );
    }

    #[test]
    fn metadata_loses_members_that_carry_a_credential() {
        let metadata = json!({
            "team": {"id": "T1", "access_token": "x"},
            "users": [{"Refresh_Token": "x", "state": "CA"}],
            "client_secret": "x",
        });
        assert_eq!(
            import_with("metadata", metadata).unwrap().token.metadata,
            json!({"team": {"id": "T1"}, "users": [{"state": "CA"}]})
                .as_object()
                .cloned()
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
