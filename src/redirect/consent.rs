//! The consent page, on which a person allows an agent to use a stored account,
//! connects another account, or refuses; and its form.
//!
//! The path contains the flow's identifier, which cannot be guessed. A form is
//! accepted if it contains the token of the page that was shown last, and if its
//! headers do not name another site.

use hyper::Request;
use hyper::header::{CONTENT_TYPE, HeaderMap, ORIGIN};
use url::form_urlencoded;

use super::pages::{self, Account, Consent, Decision, Failure, ProviderRedirect};
use super::{ENDED_PATH, failed_page, reply, see_other};
use crate::broker::commands::{AnswerConsent, ConsentAnswer};
use crate::broker::{Answered, Broker, ConsentQuestion, Consented, OfferedAccount};
use crate::identity::{FlowId, TokenId};
use crate::secret::FormToken;
use crate::server::Reply;
use crate::server::body::{self, RequestBody};

/// The path of the page; the flow's identifier follows.
pub(super) const PATH: &str = "/consent/";

/// The longest form, in bytes. It has three short fields.
const LONGEST_FORM: usize = 8 * 1024;

/// Shows the page.
pub(super) async fn show(broker: &Broker, auth_id: &str) -> Reply {
    let Some(flow) = FlowId::parse(auth_id) else {
        return reply(&pages::failed(&Failure::NotFound));
    };
    match broker.logins().consent().question(flow).await {
        Ok(Consented::Open(question)) => ask(&question, 200),
        Ok(Consented::Finished(flow)) => see_other(&format!("{ENDED_PATH}{flow}")),
        Err(error) => reply(&failed_page(broker, &error)),
    }
}

/// Handles the form.
pub(super) async fn answer(
    broker: &Broker,
    own_hosts: &[String],
    auth_id: &str,
    request: Request<RequestBody>,
) -> Reply {
    let refused = || reply(&pages::failed(&Failure::BadRequest));
    let (head, body) = request.into_parts();
    if !is_own_form(own_hosts, &head.headers) {
        return refused();
    }
    let Ok(bytes) = body::read_at_most(body, LONGEST_FORM).await else {
        return refused();
    };
    let Some(Form { token, answer }) = Form::parse(&bytes) else {
        return refused();
    };
    let Some(flow) = FlowId::parse(auth_id) else {
        return reply(&pages::failed(&Failure::NotFound));
    };
    let command = AnswerConsent {
        flow,
        form_token: token,
        answer,
    };
    match broker.logins().consent().answer(command).await {
        Ok(Answered::Finished(flow)) => see_other(&format!("{ENDED_PATH}{flow}")),
        Ok(Answered::RedirectToProvider {
            provider_name,
            address,
        }) => reply(&pages::provider_redirect(&ProviderRedirect {
            provider_name: &provider_name,
            authorization_url: &address,
        })),
        Ok(Answered::Stale) => ask_again(broker, flow).await,
        Err(error) => reply(&failed_page(broker, &error)),
    }
}

/// Shows the page again after an outdated form.
async fn ask_again(broker: &Broker, flow: FlowId) -> Reply {
    match broker.logins().consent().question(flow).await {
        Ok(Consented::Open(question)) => ask(&question, 409),
        Ok(Consented::Finished(flow)) => see_other(&format!("{ENDED_PATH}{flow}")),
        Err(error) => reply(&failed_page(broker, &error)),
    }
}

fn ask(question: &ConsentQuestion, status: u16) -> Reply {
    let accounts: Vec<_> = question
        .accounts
        .iter()
        .map(|OfferedAccount { token, added }| Account {
            id: token.id,
            label: token.label(),
            granted: &token.granted,
            gives: token.scopes_shown(),
            added: added.as_ref(),
        })
        .collect();
    let mut page = pages::consent(&Consent {
        agent_id: &question.agent_id,
        provider_name: &question.provider_name,
        user_id: &question.flow.user_id,
        accounts: &accounts,
        scopes: &question.flow.requested,
        action: &format!("{PATH}{}", question.flow.id),
        form_token: &question.form_token,
    });
    page.status = status;
    reply(&page)
}

/// Whether the headers are those of a form of this listener. Because of the
/// pages' referrer policy browsers send `Origin: null` with it. Sandboxed pages of
/// other sites do the same; all current browsers distinguish the two with
/// `Sec-Fetch-Site`, and the form's token does so for all browsers.
pub(super) fn is_own_form(own_hosts: &[String], headers: &HeaderMap) -> bool {
    let only = |name: &str| {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (value, None) => Ok(value.and_then(|value| value.to_str().ok())),
            _ => Err(()),
        }
    };
    let is_form = only(CONTENT_TYPE.as_str()).is_ok_and(|value| {
        let media_type = value.and_then(|value| value.split(';').next());
        media_type.is_some_and(|text| {
            text.trim()
                .eq_ignore_ascii_case("application/x-www-form-urlencoded")
        })
    });
    let is_same_site = only("sec-fetch-site")
        .is_ok_and(|site| site.is_none_or(|site| ["same-origin", "none"].contains(&site)));
    let is_own_origin = only(ORIGIN.as_str()).is_ok_and(|origin| {
        origin.is_none_or(|origin| {
            let host = origin.strip_prefix("http://");
            origin == "null" || host.is_some_and(|host| own_hosts.iter().any(|own| own == host))
        })
    });
    is_form && is_same_site && is_own_origin
}

/// The fields of the form.
struct Form {
    token: FormToken,
    answer: ConsentAnswer,
}

impl Form {
    /// Parses a form; `None` if a field is missing, invalid or repeated.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let field = |name: &str| {
            let mut values = form_urlencoded::parse(bytes).filter(|(key, _)| key == name);
            match (values.next(), values.next()) {
                (Some((_, value)), None) => Some(value.into_owned()),
                _ => None,
            }
        };
        let token = field(pages::FORM_TOKEN_FIELD).map(FormToken::new)?;
        let answer = match field(pages::DECISION_FIELD)?.parse().ok()? {
            Decision::Allow => ConsentAnswer::Allow(TokenId::parse(&field(pages::ACCOUNT_FIELD)?)?),
            Decision::Connect => ConsentAnswer::ConnectAnother,
            Decision::Refuse => ConsentAnswer::Refuse,
        };
        Some(Self { token, answer })
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    const OWN: &str = "127.0.0.1:8252";

    fn is_accepted(headers: &[(&'static str, &'static str)]) -> bool {
        let form = ("content-type", "application/x-www-form-urlencoded");
        let headers: HeaderMap = [form]
            .iter()
            .chain(headers)
            .map(|(name, value)| {
                let name = HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            })
            .collect();
        is_own_form(&[OWN.to_owned()], &headers)
    }

    #[test]
    fn a_form_of_the_page_itself_is_accepted() {
        assert!(is_accepted(&[]));
        assert!(is_accepted(&[
            ("origin", "null"),
            ("sec-fetch-site", "same-origin")
        ]));
        assert!(is_accepted(&[("origin", "http://127.0.0.1:8252")]));
    }

    #[test]
    fn a_form_of_another_site_is_rejected() {
        for headers in [
            [("sec-fetch-site", "cross-site"), ("origin", "null")],
            [("sec-fetch-site", "same-site"), ("origin", "null")],
            [
                ("sec-fetch-site", "same-origin"),
                ("origin", "https://evil.example"),
            ],
            [
                ("sec-fetch-site", "same-origin"),
                ("origin", "https://127.0.0.1:8252"),
            ],
            [
                ("sec-fetch-site", "same-origin"),
                ("origin", "http://127.0.0.1:80"),
            ],
        ] {
            assert!(!is_accepted(&headers), "{headers:?}");
        }
    }

    #[test]
    fn a_body_that_is_not_a_form_is_rejected() {
        let mut headers = HeaderMap::new();
        assert!(!is_own_form(&[OWN.to_owned()], &headers));
        headers.insert("content-type", HeaderValue::from_static("text/plain"));
        assert!(!is_own_form(&[OWN.to_owned()], &headers));
    }

    #[test]
    fn a_form_with_a_missing_or_repeated_field_is_rejected() {
        let account = "00000000-0000-0000-0000-000000000001";
        let read = |text: &str| Form::parse(text.as_bytes()).map(|form| form.answer);
        let allowed = format!("form_token=t&decision=allow&account={account}");
        let token = TokenId::parse(account).unwrap();
        assert_eq!(read(&allowed), Some(ConsentAnswer::Allow(token)));
        assert_eq!(
            read("form_token=t&decision=refuse&account=x"),
            Some(ConsentAnswer::Refuse)
        );
        for faulty in [
            "",
            "decision=refuse",
            "form_token=t",
            "form_token=t&decision=Allow",
            "form_token=t&decision=allow",
            "form_token=t&decision=allow&account=1",
            "form_token=t&decision=refuse&decision=allow",
        ] {
            assert_eq!(read(faulty), None, "{faulty}");
        }
    }
}
