//! Callbacks from providers.

use crate::api::validate::{FieldErrors, Fields, text, whole_number};
use crate::broker::commands::AuthorizationResponse;
use crate::secret::{AuthorizationCode, State};

/// `GET /v2/auth/callback/{provider_id}`: an authorization response (RFC 6749,
/// sections 4.1.2 and 4.1.2.1). A parameter without a value counts as absent, and
/// a repeated parameter is an error.
#[derive(Clone, Debug, Default)]
pub struct CallbackQuery {
    /// The authorization code.
    pub code: Option<AuthorizationCode>,
    /// The state of the flow.
    pub state: Option<State>,
    /// The error code, instead of `code`.
    pub error: Option<String>,
    /// The error description, for people.
    pub error_description: Option<String>,
    /// The issuer (RFC 9207).
    pub iss: Option<String>,
}

impl CallbackQuery {
    /// Parses the query, without its `?`.
    ///
    /// # Errors
    /// Repeated parameters.
    pub fn from_query(query: &str) -> Result<Self, FieldErrors> {
        let mut fields = Fields::authorization_response(query);
        let request = Self::read(&mut fields);
        fields.finish(|| Some(request))
    }

    fn read(fields: &mut Fields) -> Self {
        Self {
            code: fields.optional("code", text).map(AuthorizationCode::new),
            state: fields.optional("state", text).map(State::new),
            error: fields.optional("error", text),
            error_description: fields.optional("error_description", text),
            iss: fields.optional("iss", text),
        }
    }
}

impl From<CallbackQuery> for AuthorizationResponse {
    fn from(query: CallbackQuery) -> Self {
        Self {
            code: query.code,
            state: query.state,
            error: query.error,
            error_description: query.error_description,
            iss: query.iss,
        }
    }
}

/// `GET /v2/auth/setup/{provider_id}`: the callback after a GitHub App was installed,
/// which may have no code.
#[derive(Clone, Debug, Default)]
pub struct SetupQuery {
    /// The parameters of every callback.
    pub callback: CallbackQuery,
    /// The action: `install`, `update` or `request`.
    pub setup_action: Option<String>,
    /// GitHub's number of the installation.
    #[allow(dead_code, reason = "it is checked, and no use case needs it")]
    pub installation_id: Option<i64>,
}

impl SetupQuery {
    /// Parses the query, without its `?`.
    ///
    /// # Errors
    /// Repeated parameters, and an installation that is not a number.
    pub fn from_query(query: &str) -> Result<Self, FieldErrors> {
        let mut fields = Fields::authorization_response(query);
        let callback = CallbackQuery::read(&mut fields);
        let setup_action = fields
            .optional("setup_action", text)
            .filter(|action| !action.is_empty());
        let installation_id = fields.optional("installation_id", |field| {
            whole_number(field, i64::MIN..=i64::MAX)
        });
        fields.finish(|| {
            Some(Self {
                callback,
                setup_action,
                installation_id,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_repeated_parameter_is_rejected_and_not_echoed() {
        for query in ["code=canary&iss=x&code=canary", "code=&code=canary"] {
            let faults = CallbackQuery::from_query(query).unwrap_err();
            let error = "the parameter is given more than once";
            assert_eq!(
                serde_json::to_value(faults).unwrap(),
                json!({"detail": [{
                    "loc": ["query", "code"],
                    "msg": format!("Value error, {error}"),
                    "type": "value_error",
                    "input": "[redacted]",
                    "ctx": {"error": error},
                }]})
            );
        }
    }

    #[test]
    fn a_parameter_without_a_value_counts_as_absent() {
        let query = CallbackQuery::from_query("code=&state=s&error=access%5Fdenied").unwrap();
        assert!(query.code.is_none());
        assert!(query.state.unwrap().matches(&State::new("s")));
        assert_eq!(query.error.as_deref(), Some("access_denied"));
    }

    #[test]
    fn an_installation_is_a_number() {
        let setup = SetupQuery::from_query("setup_action=install&installation_id=5000000000");
        assert_eq!(setup.unwrap().installation_id, Some(5_000_000_000));
        for query in ["installation_id=x", "installation_id="] {
            let faults = SetupQuery::from_query(query).unwrap_err();
            assert_eq!(faults.detail[0].kind, "int_parsing");
        }
        let setup = SetupQuery::from_query("setup_action=").unwrap();
        assert_eq!(setup.setup_action, None);
    }
}
