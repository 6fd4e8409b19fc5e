//! Commands about tokens that a person may have to log in for.

use crate::identity::{AgentId, FlowId, Owner, ProviderId, Scopes, TokenId, UserId};
use crate::secret::{AuthorizationCode, FormToken, State};

/// Asks for a usable token, or for the flow that will give one.
#[derive(Clone, Debug)]
pub struct Authenticate {
    /// The provider.
    pub provider_id: ProviderId,
    /// The scopes that the token must have.
    pub scopes: Scopes,
    /// For whom it speaks; `None` for the owner's login name.
    pub user_id: Option<UserId>,
    /// The agent that will use the token.
    pub agent_id: Option<AgentId>,
    /// This token and no other.
    pub token_id: Option<TokenId>,
    /// Where the code is to be sent, if not to this daemon; not checked yet.
    pub redirect_uri: Option<String>,
    /// Only a provider that the machine's administrator offers.
    pub use_platform_provider: bool,
    /// A new flow, whatever is stored.
    pub force_new: bool,
    /// The token that a flow makes becomes the default.
    pub is_default: bool,
    /// Only look; start no flow.
    pub check_only: bool,
    /// A resource refused the token of this generation.
    pub newer_than: Option<i64>,
    /// A person waits: the provider is asked now, once, although it is not
    /// its time.
    pub try_now: bool,
}

/// Ends the flow that an authorization response names.
#[derive(Debug)]
pub struct CompleteAuthorization {
    /// The provider in the address that the response came to.
    pub provider_id: ProviderId,
    /// What it says.
    pub response: AuthorizationResponse,
    /// Who brought it, if that is known; the state of a browser that the kernel
    /// does not tell of is its only proof.
    pub owner: Option<Owner>,
}

/// An authorization response (RFC 6749, sections 4.1.2 and 4.1.2.1).
#[derive(Clone, Debug, Default)]
pub struct AuthorizationResponse {
    /// The code.
    pub code: Option<AuthorizationCode>,
    /// The state of the flow that it belongs to.
    pub state: Option<State>,
    /// The error's code, instead of `code`.
    pub error: Option<String>,
    /// The error for a person.
    pub error_description: Option<String>,
    /// The issuer (RFC 9207).
    pub iss: Option<String>,
}

/// Does what a person answered on the consent page of a flow.
#[derive(Debug)]
pub struct AnswerConsent {
    /// The flow.
    pub flow: FlowId,
    /// The token of the form that was answered.
    pub form_token: FormToken,
    /// The answer.
    pub answer: ConsentAnswer,
}

/// What a person answers on a consent page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentAnswer {
    /// The agent may use this token.
    Allow(TokenId),
    /// Another account is to be connected.
    ConnectAnother,
    /// The agent may not use an account.
    Refuse,
}

/// Does what a person answered on the final page of a flow.
#[derive(Debug)]
pub struct AnswerFollowUp {
    /// The flow.
    pub flow: FlowId,
    /// The token of the form that was answered.
    pub form_token: FormToken,
    /// The answer.
    pub answer: FollowUpAnswer,
}

/// What a person answers on the final page of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FollowUpAnswer {
    /// It is the account that was to be renewed.
    SameAccount,
    /// These agents may use the token as it was shown.
    AllowAgents(Vec<AgentId>),
}
