//! Requests that ask for a token, wait for one, or bring a code by hand.

use crate::api::validate::{Faults, Fields, flag, present, scopes, text, token_id, whole_number};
use crate::identity::{AgentId, Scopes, TokenId, UserId};
use crate::secret::{AuthorizationCode, State};

/// How long `wait` waits when the query does not say, in seconds.
const DEFAULT_WAIT: u32 = 30;

/// The longest that one call may wait, in seconds.
const LONGEST_WAIT: u32 = 3600;

/// `POST /v2/auth/authenticate`.
#[derive(Clone, Debug)]
pub struct AuthenticateRequest {
    /// The provider's identifier.
    pub provider: String,
    /// The scopes that the token must have.
    pub scopes: Scopes,
    /// For whom: `user_id`, or `ls_user_id` where that is absent.
    pub user_id: Option<UserId>,
    /// The agent that will use the token.
    pub agent_id: Option<AgentId>,
    /// This token and no other.
    pub token_id: Option<TokenId>,
    /// Where the code is to be sent, if not to this daemon; not checked yet.
    pub redirect_uri: Option<String>,
    /// The contract's `use_agent_builder_public_oauth`: a provider that the
    /// machine's administrator offers.
    pub use_platform_provider: bool,
    /// A new flow, whatever is stored.
    pub force_new: bool,
    /// The token that a flow makes becomes the default.
    pub is_default: bool,
    /// Only look; start no flow.
    pub check_only: bool,
}

impl AuthenticateRequest {
    /// Reads the body.
    ///
    /// # Errors
    /// Every fault of it.
    pub fn from_json(body: &[u8]) -> Result<Self, Faults> {
        let mut fields = Fields::body(body)?;
        let user_id = fields.optional("user_id", text);
        let ls_user_id = fields.optional("ls_user_id", text);
        let agent_id = fields.optional("agent_id", text);
        let provider = fields.required("provider", text);
        let scopes = fields.required("scopes", scopes);
        let public = fields.present("use_agent_builder_public_oauth", flag);
        let force_new = fields.present("force_new", flag);
        let token_id = fields.optional("token_id", token_id);
        let redirect_uri = fields.optional("redirect_uri", text);
        let is_default = fields.present("is_default", flag);
        let check_only = fields.present("check_only", flag);
        let user = |label: Option<String>| label.as_deref().and_then(UserId::parse);
        fields.finish(|| {
            Some(Self {
                provider: provider?,
                scopes: scopes?,
                user_id: user(user_id).or_else(|| user(ls_user_id)),
                agent_id: agent_id.as_deref().and_then(AgentId::parse),
                token_id,
                redirect_uri,
                use_platform_provider: public.unwrap_or(false),
                force_new: force_new.unwrap_or(false),
                is_default: is_default.unwrap_or(true),
                check_only: check_only.unwrap_or(false),
            })
        })
    }
}

/// `POST /v2/auth/callback/{provider_id}`.
#[derive(Clone, Debug)]
pub struct FinalizeRequest {
    /// The code that the provider gave.
    pub code: AuthorizationCode,
    /// The state of the flow that it belongs to.
    pub state: State,
}

impl FinalizeRequest {
    /// Reads the body.
    ///
    /// # Errors
    /// Every fault of it.
    pub fn from_json(body: &[u8]) -> Result<Self, Faults> {
        let mut fields = Fields::body(body)?;
        let code = fields.required("code", present).map(AuthorizationCode::new);
        let state = fields.required("state", present).map(State::new);
        fields.finish(|| {
            Some(Self {
                code: code?,
                state: state?,
            })
        })
    }
}

/// `GET /v2/auth/wait/{auth_id}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitQuery {
    /// How long to wait, in seconds; 0 only looks.
    pub timeout: u32,
}

impl WaitQuery {
    /// Reads the query, without its `?`.
    ///
    /// # Errors
    /// Every fault of it.
    pub fn from_query(query: &str) -> Result<Self, Faults> {
        let mut fields = Fields::query(query);
        let timeout = fields.present("timeout", |place| whole_number(place, 0..=LONGEST_WAIT));
        fields.finish(|| {
            Some(Self {
                timeout: timeout.unwrap_or(DEFAULT_WAIT),
            })
        })
    }
}
