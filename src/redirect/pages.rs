//! The pages a person sees at the loopback listener.
//!
//! Each is one self-contained document: the style is part of it, and there is
//! no script and no outside resource, which [`Page::content_security_policy`]
//! holds the browser to. Text from elsewhere (names, labels, scopes, a
//! provider's error) is escaped, cut to [`LONGEST_FOREIGN_TEXT`] and set apart
//! in `<bdi>`. Nothing here decides what happened, and no page shows a code or a
//! token, but for the consent form's own.

mod failure;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::broker::Notice;
use crate::identity::{AgentId, Scopes, TokenId, UserId};
use crate::secret::{ExposeSecret as _, FormToken};

pub use failure::{Failure, failed};

/// The style of every page; it must reach the browser byte for byte, or its
/// hash in the policy is another.
const STYLE: &str = include_str!("../../templates/style.css");

/// The longest text of others' that a page shows, in characters: a provider's
/// explanation fits, a wall of text that buries what we say does not.
const LONGEST_FOREIGN_TEXT: usize = 300;

/// The consent form's field with the [`FormToken`].
pub const FORM_TOKEN_FIELD: &str = "form_token";

/// The consent form's field with the [`Decision`].
pub const DECISION_FIELD: &str = "decision";

/// The consent form's field with the [`Account::id`] that was chosen.
pub const ACCOUNT_FIELD: &str = "account";

/// The final page's field with the name of an agent, as often as there are agents.
pub const AGENT_FIELD: &str = "agent";

/// The decision on the final page that it is the account that was to be renewed.
pub const SAME_ACCOUNT: &str = "same";

/// The decision on the final page that the agents named may use the account.
pub const ALLOW_AGENTS: &str = "allow";

/// Sent with every page and every other answer of the listener, beside the
/// page's own [`Page::content_security_policy`].
pub const SECURITY_HEADERS: &[(&str, &str)] = &[
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    (
        "Permissions-Policy",
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// A page, ready to be sent as `text/html; charset=utf-8`. No `Debug`, since
/// the consent page holds a secret and the way onward a `state`.
#[derive(Clone)]
pub struct Page {
    /// The HTTP status that fits it.
    pub status: u16,
    /// The document.
    pub html: String,
    has_form: bool,
}

impl Page {
    /// The value of its `Content-Security-Policy` header: its own style, and
    /// nothing else; a form, if it has one, goes to this origin alone.
    #[must_use]
    pub fn content_security_policy(&self) -> &'static str {
        static WITHOUT_FORM: LazyLock<String> = LazyLock::new(|| policy("'none'"));
        static WITH_FORM: LazyLock<String> = LazyLock::new(|| policy("'self'"));
        if self.has_form {
            &WITH_FORM
        } else {
            &WITHOUT_FORM
        }
    }
}

fn policy(form_action: &str) -> String {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action {form_action}; \
         frame-ancestors 'none'; base-uri 'none'"
    )
}

/// An account that has just been connected.
#[derive(Clone, Debug)]
pub struct Connected<'a> {
    /// What people call the provider.
    pub provider_name: &'a str,
    /// What a person calls the account, where the provider said.
    pub account_label: Option<&'a str>,
    /// On whose behalf it will be used.
    pub user_id: &'a UserId,
    /// The agent it is for; `None` for the user's own.
    pub agent_id: Option<&'a AgentId>,
    /// The scopes granted.
    pub scopes: &'a Scopes,
    /// The scopes asked for and not granted.
    pub missing: &'a Scopes,
    /// Whose account came back, where that is not what was asked for.
    pub notice: Option<&'a Notice>,
    /// What is left to ask.
    pub form: Option<FollowUpForm<'a>>,
}

/// What the final page asks. The form posts [`FORM_TOKEN_FIELD`],
/// [`DECISION_FIELD`] and [`AGENT_FIELD`]s.
#[derive(Clone, Debug)]
pub struct FollowUpForm<'a> {
    /// The path the form is posted to, on the same origin.
    pub action: String,
    /// What shows that the form came from this page.
    pub form_token: &'a FormToken,
    /// Whether it asks if this is the account that was to be renewed.
    pub asks_account: bool,
    /// The agents that may not use the account as it is now, with what is new.
    pub agents: &'a BTreeMap<AgentId, Scopes>,
}

impl FollowUpForm<'_> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the final page's form carries its token, to bring it back"
    )]
    fn token(&self) -> &str {
        self.form_token.expose_secret()
    }
}

/// Says which account is connected for whom, and that the tab can be closed.
#[must_use]
pub fn connected(page: &Connected<'_>) -> Page {
    #[derive(Template)]
    #[template(path = "connected.html")]
    struct Document<'a> {
        page: &'a Connected<'a>,
    }
    Page {
        has_form: page.form.is_some(),
        ..render(&Document { page }, 200)
    }
}

/// An agent's request to use an account that is already stored.
#[derive(Clone, Debug)]
pub struct Consent<'a> {
    /// The agent that asks.
    pub agent_id: &'a AgentId,
    /// What people call the provider.
    pub provider_name: &'a str,
    /// On whose behalf the account will be used.
    pub user_id: &'a UserId,
    /// The accounts that would do, the likeliest first.
    pub accounts: &'a [Account<'a>],
    /// The scopes asked for.
    pub scopes: &'a Scopes,
    /// The path the form is posted to, on the same origin.
    pub action: &'a str,
    /// What shows that the form came from this page.
    pub form_token: &'a FormToken,
}

/// An account a person may choose on the consent page.
#[derive(Clone, Debug)]
pub struct Account<'a> {
    /// The stored token that stands for it.
    pub id: TokenId,
    /// What a person calls it, where the provider said.
    pub label: Option<&'a str>,
    /// The scopes granted to it.
    pub granted: &'a Scopes,
    /// What the agent is permitted with it: the scopes asked for and granted.
    pub gives: Scopes,
    /// What of that the agent was not permitted so far; `None` if it was not
    /// permitted to use the account at all.
    pub added: Option<&'a Scopes>,
}

/// What a person decided on the consent page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The agent may use the account chosen.
    Allow,
    /// Another account is to be connected. Answer the form with [`onward`].
    Connect,
    /// The agent may not.
    Refuse,
}

impl Decision {
    /// Its value in the form's [`DECISION_FIELD`].
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Connect => "connect",
            Self::Refuse => "refuse",
        }
    }

    /// The decision with this value in the form; `None` if there is no such.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Allow, Self::Connect, Self::Refuse]
            .into_iter()
            .find(|decision| decision.as_str() == text)
    }
}

/// Asks the person whether an agent may use a stored account.
///
/// The form posts [`FORM_TOKEN_FIELD`], [`DECISION_FIELD`] and, unless there
/// was none to choose from, [`ACCOUNT_FIELD`]. Because of the referrer policy
/// browsers send it with `Origin: null` (and `Sec-Fetch-Site: same-origin`).
#[must_use]
pub fn consent(page: &Consent<'_>) -> Page {
    #[derive(Template)]
    #[template(path = "consent.html")]
    struct Document<'a> {
        page: &'a Consent<'a>,
    }
    impl Document<'_> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the consent form carries its token, to bring it back"
        )]
        fn form_token(&self) -> &str {
            self.page.form_token.expose_secret()
        }
    }
    Page {
        has_form: true,
        ..render(&Document { page }, 200)
    }
}

/// A person's way on to a provider's sign-in. No `Debug`: the address holds a
/// `state`.
#[derive(Clone)]
pub struct Onward<'a> {
    /// What people call the provider.
    pub provider_name: &'a str,
    /// The authorization request (RFC 6749, section 4.1.1).
    pub authorization_url: &'a Url,
}

/// Takes the person from the consent page to the provider.
///
/// A page and not a redirect, since browsers hold every redirect after a form
/// to the `form-action` of the form's page, and so would stop at this one.
#[must_use]
pub fn onward(page: &Onward<'_>) -> Page {
    #[derive(Template)]
    #[template(path = "onward.html")]
    struct Document<'a> {
        page: &'a Onward<'a>,
    }
    render(&Document { page }, 200)
}

/// Says that a login is being finished, and asks again until it is: without a
/// script, and so that the answer takes no connection meanwhile.
#[must_use]
pub fn finishing(provider_name: &str) -> Page {
    #[derive(Template)]
    #[template(path = "finishing.html")]
    struct Document<'a> {
        provider_name: &'a str,
    }
    render(&Document { provider_name }, 200)
}

fn render(document: &impl Template, status: u16) -> Page {
    let html = document
        .render()
        .expect("writing to a String does not fail, and no template does otherwise");
    Page {
        status,
        html,
        has_form: false,
    }
}

/// What the templates call as `text|name`.
#[expect(unreachable_pub, reason = "filter_fn makes a `pub` item of its own")]
mod filters {
    use std::fmt::Display;

    use askama::Values;

    use crate::visible;

    /// `text` on one line, with what nobody could see written out, cut to
    /// [`super::LONGEST_FOREIGN_TEXT`].
    #[askama::filter_fn]
    pub(super) fn brief(text: impl Display, _: &dyn Values) -> askama::Result<String> {
        let text = text.to_string();
        let text = visible::shown(&text.replace(['\n', '\r', '\t'], " "));
        let mut characters = text.chars();
        let mut brief: String = characters
            .by_ref()
            .take(super::LONGEST_FOREIGN_TEXT)
            .collect();
        if characters.next().is_some() {
            brief.push('…');
        }
        Ok(brief)
    }
}

#[cfg(test)]
mod tests;
