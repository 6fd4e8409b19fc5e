//! What the broker is asked to do, where it takes more than a name: one struct
//! for each, in the types of the domain.
//!
//! Every identifier is parsed and every value checked before a command is made.
//! The owner on whose behalf it is done is not part of it.

mod agents;
mod logins;
mod providers;
mod tokens;

pub use self::agents::{ConnectAgent, DisconnectAgent, SetAgentToken};
pub use self::logins::{
    AnswerConsent, AnswerFollowUp, Authenticate, AuthorizationResponse, CompleteAuthorization,
    ConsentAnswer, FollowUpAnswer,
};
pub use self::providers::{DiscoverProvider, UpdateProvider};
pub use self::tokens::{ImportToken, ImportedToken, RowName, UpdateToken};
