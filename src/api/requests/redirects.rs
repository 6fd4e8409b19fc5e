//! What a browser brings back from a provider.

use crate::api::validate::{Faults, Fields, text, whole_number};
use crate::secret::{AuthorizationCode, State};

/// `GET /v2/auth/callback/{provider_id}`: an authorization response (RFC 6749,
/// sections 4.1.2 and 4.1.2.1). A parameter without a value counts as left
/// out, a repeated one is a fault.
#[derive(Clone, Debug, Default)]
pub struct CallbackQuery {
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

impl CallbackQuery {
    /// Reads the query, without its `?`.
    ///
    /// # Errors
    /// Every parameter that is given more than once.
    pub fn from_query(query: &str) -> Result<Self, Faults> {
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

/// `GET /v2/auth/setup/{provider_id}`: the same after a GitHub App was
/// installed, which may bring no code.
#[derive(Clone, Debug, Default)]
pub struct SetupQuery {
    /// What a redirect always may bring.
    pub callback: CallbackQuery,
    /// What was done: `install`, `update` or `request`.
    pub setup_action: Option<String>,
    /// The installation, by GitHub's number.
    pub installation_id: Option<u32>,
}

impl SetupQuery {
    /// Reads the query, without its `?`.
    ///
    /// # Errors
    /// Every parameter that is given more than once, and an installation that
    /// is no number.
    pub fn from_query(query: &str) -> Result<Self, Faults> {
        let mut fields = Fields::authorization_response(query);
        let callback = CallbackQuery::read(&mut fields);
        let setup_action = fields.optional("setup_action", text);
        let installation_id =
            fields.optional("installation_id", |place| whole_number(place, 0..=u32::MAX));
        fields.finish(|| {
            Some(Self {
                callback,
                setup_action,
                installation_id,
            })
        })
    }
}
