//! The final page of a flow and its form: the result of the flow, and follow-up
//! questions.

use hyper::Request;
use url::form_urlencoded;

use super::consent::is_own_form;
use super::pages::{self, Connected, Failure, FollowUpForm, Page};
use super::{ENDED_PATH, failed_page, reply, see_other};
use crate::broker::commands::{AnswerFollowUp, FollowUpAnswer};
use crate::broker::{Broker, Ended, FollowUp, Outcome, is_own_error};
use crate::identity::{AgentId, FlowId};
use crate::log_limit::log_limited;
use crate::secret::FormToken;
use crate::server::Reply;
use crate::server::body::{self, RequestBody};

/// The longest form, in bytes. It has two short fields and the names of agents.
const LONGEST_FORM: usize = 64 * 1024;

/// The final page of a flow, or the page that reloads itself until there is one.
pub(super) async fn ended_page(broker: &Broker, flow: &str) -> Page {
    let Some(flow) = FlowId::parse(flow) else {
        return pages::failed(&Failure::NotFound);
    };
    match broker.logins().exchanging(flow) {
        Ok(None) => {}
        Ok(Some(provider_name)) => return pages::finishing(&provider_name),
        Err(error) => return failed_page(broker, &error),
    }
    let ended = match broker.logins().ended(flow) {
        Ok(Some(ended)) => ended,
        Ok(None) => return pages::failed(&Failure::NotFound),
        Err(error) => return failed_page(broker, &error),
    };
    if !matches!(ended.outcome, Outcome::Connected(_)) {
        return outcome_page(&ended, &FollowUp::default());
    }
    match broker.logins().follow_ups().page(ended.flow).await {
        Ok(follow_up) => outcome_page(&ended, &follow_up),
        Err(error) => {
            // The account is connected in any case.
            log_limited!(20, warn, error = %error, "cannot show the follow-up questions of a login");
            outcome_page(&ended, &FollowUp::default())
        }
    }
}

/// Handles the form.
pub(super) async fn answer(
    broker: &Broker,
    own_hosts: &[String],
    flow: &str,
    request: Request<RequestBody>,
) -> Reply {
    let refused = || reply(&pages::failed(&Failure::BadRequest));
    let (head, body) = request.into_parts();
    let Some(flow) = FlowId::parse(flow) else {
        return reply(&pages::failed(&Failure::NotFound));
    };
    if !is_own_form(own_hosts, &head.headers) {
        return refused();
    }
    let Ok(bytes) = body::read_at_most(body, LONGEST_FORM).await else {
        return refused();
    };
    let Some((form_token, answer)) = parse(&bytes) else {
        return refused();
    };
    let command = AnswerFollowUp {
        flow,
        form_token,
        answer,
    };
    match broker.logins().follow_ups().answer(command).await {
        // An outdated form changes nothing, and the page asks again.
        Ok(()) => see_other(&format!("{ENDED_PATH}{flow}")),
        Err(error) => reply(&failed_page(broker, &error)),
    }
}

/// Parses the form; `None` if a field is missing, invalid or repeated.
fn parse(bytes: &[u8]) -> Option<(FormToken, FollowUpAnswer)> {
    let values = |name: &'static str| {
        form_urlencoded::parse(bytes)
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value)
    };
    let only = |name| {
        let mut values = values(name);
        values.next().filter(|_| values.next().is_none())
    };
    let token = FormToken::new(only(pages::FORM_TOKEN_FIELD)?);
    let answer = match &*only(pages::DECISION_FIELD)? {
        pages::SAME_ACCOUNT => FollowUpAnswer::SameAccount,
        pages::ALLOW_AGENTS => FollowUpAnswer::AllowAgents(
            values(pages::AGENT_FIELD)
                .map(|name| AgentId::parse(&name))
                .collect::<Option<_>>()?,
        ),
        _ => return None,
    };
    Some((token, answer))
}

fn outcome_page(ended: &Ended, follow_up: &FollowUp) -> Page {
    let provider_name = ended.provider_name.as_str();
    match &ended.outcome {
        Outcome::Connected(token) => pages::connected(&Connected {
            provider_name,
            account_label: token.label(),
            user_id: &token.user_id,
            agent_id: ended.agent_id.as_ref(),
            scopes: &token.granted,
            missing: &token.missing_scopes(),
            notice: follow_up.notice.as_ref(),
            form: form(ended, follow_up),
        }),
        Outcome::Refused { error, .. } if error == "access_denied" => {
            pages::failed(&Failure::Refused { provider_name })
        }
        Outcome::Refused { error, .. } if error == "expired" => pages::failed(&Failure::Expired),
        Outcome::Refused { error, description } if is_own_error(error) => {
            pages::failed(&Failure::Discarded {
                provider_name,
                error,
                description: description.as_deref(),
            })
        }
        Outcome::Refused { error, description } => pages::failed(&Failure::ProviderRefused {
            provider_name,
            error,
            description: description.as_deref(),
        }),
        Outcome::Unavailable => pages::failed(&Failure::ProviderUnavailable { provider_name }),
    }
}

fn form<'a>(ended: &Ended, follow_up: &'a FollowUp) -> Option<FollowUpForm<'a>> {
    let form_token = follow_up.form_token.as_ref()?;
    Some(FollowUpForm {
        action: format!("{ENDED_PATH}{}", ended.flow),
        form_token,
        asks_account: follow_up.asks_account,
        agents: &follow_up.agents,
    })
}
