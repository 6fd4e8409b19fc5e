//! The pages of the loopback listener.
//!
//! Each page is one self-contained document: it includes its style and has no script
//! and no external resource, which [`Page::content_security_policy`] enforces.
//! Text from other sources (names, labels, scopes, a provider's error) is escaped,
//! cut to [`LONGEST_FOREIGN_TEXT`] and enclosed in `<bdi>`. This module only
//! renders results. No page contains a code or a token, except the form tokens.

mod failure;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use strum::{EnumString, IntoStaticStr};
use url::Url;

use crate::broker::Notice;
use crate::identity::{AgentId, Scopes, TokenId, UserId};
use crate::secret::{ExposeSecret as _, FormToken};

pub use failure::{Failure, failed};

/// The style of every page. It is sent unchanged, so that its hash in the policy
/// matches.
const STYLE: &str = include_str!("../../templates/style.css");

/// The longest text from another source that a page shows, in characters. It is
/// enough for a provider's explanation, and does not hide the page's own text.
const LONGEST_FOREIGN_TEXT: usize = 300;

/// The form field with the [`FormToken`].
pub const FORM_TOKEN_FIELD: &str = "form_token";

/// The form field with the decision: on the consent page a [`Decision`], on the
/// final page [`SAME_ACCOUNT`] or [`ALLOW_AGENTS`].
pub const DECISION_FIELD: &str = "decision";

/// The field of the consent form with the [`Account::id`] that was chosen.
pub const ACCOUNT_FIELD: &str = "account";

/// The field of the final page's form with the name of an agent; can be repeated.
pub const AGENT_FIELD: &str = "agent";

/// The decision on the final page that the account is the one to renew.
pub const SAME_ACCOUNT: &str = "same";

/// The decision on the final page that the chosen agents may use the account.
pub const ALLOW_AGENTS: &str = "allow";

/// The headers of every reply of the listener. Pages also have a
/// [`Page::content_security_policy`].
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

/// A page, to be sent as `text/html; charset=utf-8`. It has no `Debug`, because the
/// consent page contains a secret and the redirect page a `state`.
#[derive(Clone)]
pub struct Page {
    /// The HTTP status of the reply.
    pub status: u16,
    /// The document.
    pub html: String,
    has_form: bool,
}

impl Page {
    /// The value of its `Content-Security-Policy` header: it allows the style, and
    /// if the page has a form, sending it to this origin. Nothing else is allowed.
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

/// The content of [`connected`]: an account that was just connected.
#[derive(Clone, Debug)]
pub struct Connected<'a> {
    /// The name of the provider.
    pub provider_name: &'a str,
    /// The name of the account, if the provider sent one.
    pub account_label: Option<&'a str>,
    /// The user on whose behalf it will be used.
    pub user_id: &'a UserId,
    /// The agent it is for; `None` for the user's own programs.
    pub agent_id: Option<&'a AgentId>,
    /// The scopes granted.
    pub scopes: &'a Scopes,
    /// The scopes that were requested and not granted.
    pub missing: &'a Scopes,
    /// A notice about the account, if it is not the one that was expected.
    pub notice: Option<&'a Notice>,
    /// The follow-up question, if there is one.
    pub form: Option<FollowUpForm<'a>>,
}

/// The follow-up question of the final page. Its form sends [`FORM_TOKEN_FIELD`],
/// [`DECISION_FIELD`] and [`AGENT_FIELD`]s.
#[derive(Clone, Debug)]
pub struct FollowUpForm<'a> {
    /// The path to which the form is sent, on the same origin.
    pub action: String,
    /// The token that proves that the form came from this page.
    pub form_token: &'a FormToken,
    /// Whether the question is if this is the account to renew.
    pub asks_account: bool,
    /// The agents that lack permission for new scopes, with these scopes.
    pub agents: &'a BTreeMap<AgentId, Scopes>,
}

impl FollowUpForm<'_> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the form of the final page contains its token"
    )]
    fn token(&self) -> &str {
        self.form_token.expose_secret()
    }
}

/// The page that says which account is connected, and for which user and agent.
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

/// The content of [`consent`]: an agent's request to use a stored account.
#[derive(Clone, Debug)]
pub struct Consent<'a> {
    /// The agent that asks.
    pub agent_id: &'a AgentId,
    /// The name of the provider.
    pub provider_name: &'a str,
    /// The user on whose behalf the account will be used.
    pub user_id: &'a UserId,
    /// The accounts that satisfy the request, the most likely choice first.
    pub accounts: &'a [Account<'a>],
    /// The requested scopes.
    pub scopes: &'a Scopes,
    /// The path to which the form is sent, on the same origin.
    pub action: &'a str,
    /// The token that proves that the form came from this page.
    pub form_token: &'a FormToken,
}

/// An account that can be chosen on the consent page.
#[derive(Clone, Debug)]
pub struct Account<'a> {
    /// The stored token of the account.
    pub id: TokenId,
    /// The name of the account, if the provider sent one.
    pub label: Option<&'a str>,
    /// The scopes granted to it.
    pub granted: &'a Scopes,
    /// The scopes that the agent would be permitted: those requested and granted.
    pub gives: Scopes,
    /// The scopes in `gives` that the agent is not permitted yet; `None` if it is
    /// not permitted to use the account at all.
    pub added: Option<&'a Scopes>,
}

/// The decision of a person on the consent page: the value of [`DECISION_FIELD`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Decision {
    /// The agent may use the chosen account.
    Allow,
    /// Connect another account. The reply to the form is [`provider_redirect`].
    Connect,
    /// The agent may not use an account.
    Refuse,
}

impl Decision {
    /// Its value in the form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The page that asks whether an agent may use a stored account.
///
/// Its form sends [`FORM_TOKEN_FIELD`], [`DECISION_FIELD`] and, if there are
/// accounts to choose from, [`ACCOUNT_FIELD`]. Because of the referrer policy
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
            reason = "the consent form contains its token"
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

/// The content of [`provider_redirect`]. It has no `Debug`, because the URL contains a `state`.
#[derive(Clone)]
pub struct ProviderRedirect<'a> {
    /// The name of the provider.
    pub provider_name: &'a str,
    /// The authorization request (RFC 6749, section 4.1.1).
    pub authorization_url: &'a Url,
}

/// The page that leads from the consent page to the provider.
///
/// It is not a redirect, because browsers apply the `form-action` policy of a form's
/// page to redirects after the form, and would block this one.
#[must_use]
pub fn provider_redirect(page: &ProviderRedirect<'_>) -> Page {
    #[derive(Template)]
    #[template(path = "provider_redirect.html")]
    struct Document<'a> {
        page: &'a ProviderRedirect<'a>,
    }
    render(&Document { page }, 200)
}

/// The page that says that a login is being finished. It reloads itself until the
/// login has finished, without a script and without occupying a connection.
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
        .expect("the templates only write to a String, which does not fail");
    Page {
        status,
        html,
        has_form: false,
    }
}

/// The filters of the templates (`text|name`).
#[expect(unreachable_pub, reason = "filter_fn generates a `pub` item")]
mod filters {
    use std::fmt::Display;

    use askama::Values;

    use crate::visible;

    /// `text` on one line, with invisible characters escaped, cut to
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
