//! Properties of every callback query: a repeated parameter is rejected, parsing
//! and writing are inverse, no error shows a value of the query, no code is
//! accepted with an error or from another issuer, and no text of a provider
//! becomes markup.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::json;
use url::form_urlencoded;
use uuid::Uuid;

use super::pages::{self, Failure};
use crate::api::requests::{CallbackQuery, ProviderCreateRequest, SetupQuery};
use crate::api::validate::FieldErrors;
use crate::broker;
use crate::broker::commands::AuthorizationResponse;
use crate::clock::Timestamp;
use crate::flow::{Flow, FlowKind, Purpose, Status};
use crate::identity::{FlowId, Owner, Scopes, UserId};
use crate::provider::{Provider, Source};
use crate::secret::ExposeSecret as _;

/// A value that must not be shown.
const CANARY: &str = "canary";

/// The issuer of the provider.
const ISSUER: &str = "https://issuer.example";

/// The longest text of a provider that is shown, in characters.
const TEXT_LIMIT: usize = 300;

/// The parameters of an authorization response.
type Parameters = BTreeMap<&'static str, String>;

/// The target `callback_query`.
pub(crate) fn callback_query(data: &[u8]) {
    let query = String::from_utf8_lossy(data);
    let read = CallbackQuery::from_query(&query);
    assert_eq!(read.is_err(), has_repeated_parameter(&query));
    assert_errors_show_no_value(&query);
    let Ok(response) = read else {
        return;
    };
    assert_round_trip(&response);
    let setup = SetupQuery::from_query(&query).map(|setup| parameters(&setup.callback));
    assert!(setup.is_err() || setup.ok() == Some(parameters(&response)));
    for (issuer, sends_iss) in [(None, false), (Some(ISSUER), false), (Some(ISSUER), true)] {
        let mut provider = PROVIDER.clone();
        provider.endpoints.issuer = issuer.map(str::to_owned);
        provider.endpoints.sends_iss = sends_iss;
        assert_issuer_rules(&provider, &response.clone().into());
    }
}

fn has_repeated_parameter(query: &str) -> bool {
    let mut names: Vec<_> = form_urlencoded::parse(query.as_bytes())
        .map(|(name, _)| name)
        .collect();
    names.sort_unstable();
    names.windows(2).any(|pair| pair[0] == pair[1])
}

/// No parser's error contains a value. The exception is GitHub's installation
/// number, which is not an OAuth parameter.
fn assert_errors_show_no_value(query: &str) {
    let mut planted = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let is_shown = name == "installation_id";
        if name.contains(CANARY) || (is_shown && value.contains(CANARY)) {
            return;
        }
        planted.append_pair(&name, if is_shown { &value } else { CANARY });
    }
    let planted = planted.finish();
    let faults = [
        CallbackQuery::from_query(&planted).err(),
        SetupQuery::from_query(&planted).err(),
    ];
    for faults in faults.into_iter().flatten() {
        let said = in_full(&faults);
        assert!(!said.contains(CANARY), "{said}");
    }
}

fn in_full(faults: &FieldErrors) -> String {
    let json = serde_json::to_string(faults).expect("faults can be written");
    format!("{faults} {json}")
}

#[expect(
    clippy::disallowed_methods,
    reason = "a made-up response is compared with itself"
)]
fn parameters(response: &CallbackQuery) -> Parameters {
    let code = response.code.as_ref();
    let state = response.state.as_ref();
    let read = [
        ("code", code.map(|code| code.expose_secret().to_owned())),
        ("state", state.map(|state| state.expose_secret().to_owned())),
        ("error", response.error.clone()),
        ("error_description", response.error_description.clone()),
        ("iss", response.iss.clone()),
    ];
    let present = read.into_iter();
    present
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

fn assert_round_trip(response: &CallbackQuery) {
    let parameters = parameters(response);
    assert!(parameters.values().all(|value| !value.is_empty()));
    let mut query = form_urlencoded::Serializer::new(String::new());
    let query = query.extend_pairs(&parameters).finish();
    let again = CallbackQuery::from_query(&query).expect("no parameter is repeated");
    assert_eq!(self::parameters(&again), parameters);
}

/// A response is rejected or its code is accepted, by the rules of RFC 9207.
fn assert_issuer_rules(provider: &Provider, response: &AuthorizationResponse) {
    let issuer = provider.endpoints.issuer.as_deref();
    let is_mixed_up = match (&response.iss, issuer) {
        (Some(iss), Some(issuer)) => iss != issuer,
        (None, Some(_)) => provider.endpoints.sends_iss,
        (_, None) => false,
    };
    let Some((error, description)) = broker::refusal(provider, &flow(provider), response) else {
        assert!(response.error.is_none() && !is_mixed_up);
        return;
    };
    assert!(response.error.is_some() || is_mixed_up);
    assert!(!is_mixed_up || error == "invalid_issuer");
    assert!(!error.is_empty());
    for text in [Some(&error), description.as_ref()].into_iter().flatten() {
        assert!(text.chars().count() <= TEXT_LIMIT && !crate::visible::has_invisible(text));
    }
    assert_no_markup(&error, description.as_deref());
}

/// The page of this error has the same number of tags and quotes as any other.
fn assert_no_markup(error: &str, description: Option<&str>) {
    let page = |error, description| {
        pages::failed(&Failure::ProviderRefused {
            provider_name: "Example",
            error,
            description,
        })
        .html
    };
    let (hostile, tame) = (
        page(error, description),
        page("error", description.map(|_| "said")),
    );
    for mark in ['<', '>', '"', '\''] {
        let marks = |html: &str| html.matches(mark).count();
        assert_eq!(marks(&hostile), marks(&tame), "{error:?} {description:?}");
    }
}

static PROVIDER: LazyLock<Provider> = LazyLock::new(|| {
    let body = json!({
        "provider_id": "example",
        "name": "Example",
        "client_id": "client",
        "auth_url": "https://issuer.example/authorize",
        "token_url": "https://issuer.example/token",
    });
    let request = ProviderCreateRequest::from_json(body.to_string().as_bytes());
    let request = request.expect("it is a provider");
    request
        .definition
        .into_provider(Uuid::nil(), Source::Owner, Timestamp::from_millis(0))
});

/// A pending flow of this provider.
fn flow(provider: &Provider) -> Flow {
    let began = Timestamp::from_millis(0);
    Flow {
        id: FlowId::new(Uuid::nil()),
        owner: Owner::ADMINISTRATOR,
        provider: provider.reference(),
        binding: provider.binding(),
        user_id: UserId::parse("me").expect("it is not empty"),
        agent_id: None,
        purpose: Purpose::New,
        requested: Scopes::default(),
        kind: FlowKind::AuthorizationCode {
            redirect_uri: "http://127.0.0.1:8252/".to_owned(),
        },
        is_default: true,
        is_shareable: true,
        status: Status::Pending,
        created_at: began,
        expires_at: began.plus_seconds(600),
        second_opening_at: None,
        is_other_account: false,
        finished_at: None,
    }
}
