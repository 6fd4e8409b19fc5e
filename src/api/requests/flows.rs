//! Requests for a token, for waiting, and for completing a login manually.

use std::time::Duration;

use super::identifiers;
use crate::api::validate::{
    FieldErrors, Fields, address_text, boolean, filled_label, generation, label, non_empty_text,
    scopes, text, token_id, whole_number,
};
use crate::broker;
use crate::broker::commands::{Authenticate, AuthorizationResponse};
use crate::identity::{AgentId, Scopes, TokenId, UserId};
use crate::secret::{AuthorizationCode, State};

/// The default timeout of `wait`, in seconds.
const DEFAULT_WAIT: u32 = 30;

/// The longest timeout of `wait`, in seconds.
const LONGEST_WAIT: u32 = 3600;

/// `POST /v2/auth/authenticate`.
#[derive(Clone, Debug)]
pub struct AuthenticateRequest {
    /// The provider's identifier.
    pub provider: String,
    /// The scopes that the token must have.
    pub scopes: Scopes,
    /// The user: `user_id`, or `ls_user_id` if that is absent.
    pub user_id: Option<UserId>,
    /// The agent that will use the token.
    pub agent_id: Option<AgentId>,
    /// The token to use, if it must be a certain one.
    pub token_id: Option<TokenId>,
    /// The redirect URI, if it is not the daemon's; not checked yet.
    pub redirect_uri: Option<String>,
    /// The contract's `use_agent_builder_public_oauth`: whether to use a platform
    /// provider.
    pub use_platform_provider: bool,
    /// Whether to start a new flow even if there is a token.
    pub force_new: bool,
    /// Whether the token of the flow becomes the default.
    pub is_default: bool,
    /// Whether to start no flow.
    pub check_only: bool,
    /// The generation of a token that a resource rejected.
    pub newer_than: Option<i64>,
    /// Whether to send one request to the provider now, even during a backoff,
    /// because a person waits.
    pub try_now: bool,
}

impl AuthenticateRequest {
    /// Parses the body.
    ///
    /// # Errors
    /// All validation errors.
    pub fn from_json(body: &[u8]) -> Result<Self, FieldErrors> {
        let mut fields = Fields::body(body)?;
        let user_id = fields.optional("user_id", label);
        let ls_user_id = fields.optional("ls_user_id", label);
        let agent_id = fields.optional("agent_id", filled_label);
        let provider = fields.required("provider", text);
        let scopes = fields.required("scopes", scopes);
        let use_platform_provider =
            fields.with_default("use_agent_builder_public_oauth", boolean, false);
        let force_new = fields.with_default("force_new", boolean, false);
        let token_id = fields.optional("token_id", token_id);
        let redirect_uri = fields.optional("redirect_uri", address_text);
        let is_default = fields.with_default("is_default", boolean, true);
        let check_only = fields.with_default("check_only", boolean, false);
        let newer_than = fields.optional("newer_than", generation);
        let try_now = fields.with_default("try_now", boolean, false);
        let user = |name: Option<String>| name.as_deref().and_then(UserId::parse);
        fields.finish(|| {
            Some(Self {
                provider: provider?,
                scopes: scopes?,
                user_id: user(user_id).or_else(|| user(ls_user_id)),
                agent_id: agent_id.as_deref().and_then(AgentId::parse),
                token_id,
                redirect_uri,
                use_platform_provider,
                force_new,
                is_default,
                check_only,
                newer_than,
                try_now,
            })
        })
    }
}

impl TryFrom<AuthenticateRequest> for Authenticate {
    type Error = broker::Error;

    /// Converts the request to a command. Fails if the provider identifier is invalid.
    fn try_from(request: AuthenticateRequest) -> Result<Self, broker::Error> {
        Ok(Self {
            provider_id: identifiers::provider(&request.provider)?,
            scopes: request.scopes,
            user_id: request.user_id,
            agent_id: request.agent_id,
            token_id: request.token_id,
            redirect_uri: request.redirect_uri,
            use_platform_provider: request.use_platform_provider,
            force_new: request.force_new,
            is_default: request.is_default,
            check_only: request.check_only,
            newer_than: request.newer_than,
            try_now: request.try_now,
        })
    }
}

/// `POST /v2/auth/callback/{provider_id}`.
#[derive(Clone, Debug)]
pub struct FinalizeRequest {
    /// The authorization code.
    pub code: AuthorizationCode,
    /// The state of the flow.
    pub state: State,
    /// The issuer (RFC 9207), if the redirect contained one.
    pub iss: Option<String>,
}

impl FinalizeRequest {
    /// Parses the body.
    ///
    /// # Errors
    /// All validation errors.
    pub fn from_json(body: &[u8]) -> Result<Self, FieldErrors> {
        let mut fields = Fields::body(body)?;
        let code = fields
            .required("code", non_empty_text)
            .map(AuthorizationCode::new);
        let state = fields.required("state", non_empty_text).map(State::new);
        let iss = fields.optional("iss", non_empty_text);
        fields.finish(|| {
            Some(Self {
                code: code?,
                state: state?,
                iss,
            })
        })
    }
}

impl From<FinalizeRequest> for AuthorizationResponse {
    fn from(request: FinalizeRequest) -> Self {
        Self {
            code: Some(request.code),
            state: Some(request.state),
            iss: request.iss,
            ..Self::default()
        }
    }
}

/// `GET /v2/auth/wait/{auth_id}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitQuery {
    /// How long to wait, in whole seconds; zero returns at once.
    pub timeout: Duration,
}

impl WaitQuery {
    /// Parses the query, without its `?`.
    ///
    /// # Errors
    /// All validation errors.
    pub fn from_query(query: &str) -> Result<Self, FieldErrors> {
        let mut fields = Fields::query(query);
        let timeout = fields.with_default(
            "timeout",
            |field| whole_number(field, 0..=LONGEST_WAIT),
            DEFAULT_WAIT,
        );
        let timeout = Duration::from_secs(timeout.into());
        fields.finish(|| Some(Self { timeout }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn requests_of_the_hosted_services_sdk_are_accepted() {
        let request = AuthenticateRequest::from_json(
            br#"{"user_id": "", "ls_user_id": "ls", "provider": "github", "scopes": ["a b", "a"]}"#,
        )
        .unwrap();
        assert_eq!(request.provider, "github");
        assert_eq!(request.scopes, Scopes::new(["a", "b"]));
        assert_eq!(request.user_id, UserId::parse("ls"));
        assert_eq!(request.agent_id, None);
        assert!(request.is_default && !request.force_new && !request.check_only);
    }

    #[test]
    fn one_reply_contains_all_errors() {
        let body = json!({
            "scopes": "repo",
            "token_id": "1234",
            "user_id": 7,
            "force_new": "true",
        });
        let faults = AuthenticateRequest::from_json(body.to_string().as_bytes()).unwrap_err();
        assert_eq!(
            serde_json::to_value(faults).unwrap(),
            json!({"detail": [
                {
                    "loc": ["body", "user_id"],
                    "msg": "Input should be a valid string",
                    "type": "string_type",
                    "input": 7,
                },
                {
                    "loc": ["body", "provider"],
                    "msg": "Field required",
                    "type": "missing",
                    "input": body,
                },
                {
                    "loc": ["body", "scopes"],
                    "msg": "Input should be a valid list",
                    "type": "list_type",
                    "input": "repo",
                },
                {
                    "loc": ["body", "force_new"],
                    "msg": "Input should be a valid boolean, unable to interpret input",
                    "type": "bool_parsing",
                    "input": "true",
                },
                {
                    "loc": ["body", "token_id"],
                    "msg": "Input should be a valid UUID, invalid length: found 4",
                    "type": "uuid_parsing",
                    "input": "1234",
                    "ctx": {"error": "invalid length: found 4"},
                },
            ]})
        );
    }

    #[test]
    fn an_empty_agent_or_issuer_is_rejected() {
        let body = br#"{"provider": "p", "scopes": [], "agent_id": ""}"#;
        let faults = AuthenticateRequest::from_json(body).unwrap_err();
        assert_eq!(
            faults.to_string(),
            "body.agent_id: String should have at least 1 character"
        );
        let faults = FinalizeRequest::from_json(br#"{"code": "c", "state": "s", "iss": ""}"#);
        assert_eq!(
            faults.unwrap_err().to_string(),
            "body.iss: String should have at least 1 character"
        );
    }

    #[test]
    fn the_time_to_wait_is_an_integer_within_bounds() {
        for (query, timeout) in [
            ("", 30),
            ("timeout=0", 0),
            ("timeout=3600", 3600),
            ("timeout=007", 7),
            ("timeout=1&timeout=2", 2),
        ] {
            assert_eq!(
                WaitQuery::from_query(query).unwrap().timeout,
                Duration::from_secs(timeout),
                "{query}"
            );
        }
        for (query, kind) in [
            ("timeout=", "int_parsing"),
            ("timeout=1.5", "int_parsing"),
            ("timeout=3.0", "int_parsing"),
            ("timeout=%2B3", "int_parsing"),
            ("timeout=soon", "int_parsing"),
            ("timeout=-1", "greater_than_equal"),
            ("timeout=3601", "less_than_equal"),
            ("timeout=99999999999999999999", "less_than_equal"),
        ] {
            let faults = WaitQuery::from_query(query).unwrap_err();
            assert_eq!(faults.detail[0].kind, kind, "{query}");
        }
    }

    #[test]
    fn the_reply_contains_the_limit() {
        let faults = WaitQuery::from_query("timeout=3601").unwrap_err();
        assert_eq!(
            serde_json::to_value(faults).unwrap(),
            json!({"detail": [{
                "loc": ["query", "timeout"],
                "msg": "Input should be less than or equal to 3600",
                "type": "less_than_equal",
                "input": "3601",
                "ctx": {"le": 3600},
            }]})
        );
    }
}
