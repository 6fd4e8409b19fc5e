//! Properties of every token reply, for every provider: an accepted grant has a
//! token and an expiry that can be stored, normalizing it again does not change
//! it, and neither a grant nor an error shows a secret.
//!
//! The input is the reply: a line with its status and its `Retry-After`, then the
//! body.

use std::sync::LazyLock;
use std::time::Duration;

use oauth2::HttpResponse;
use oauth2::http::{HeaderValue, Response, StatusCode, header};
use serde_json::Value;
use url::form_urlencoded;
use uuid::Uuid;

use super::normalize;
use super::redact::Redactor;
use super::reply::ReplyContext;
use super::{Error, endpoint, grant, request};
use crate::clock::Timestamp;
use crate::provider::catalog::{PRESETS, Preset};
use crate::provider::{Builder, Provider, Source};
use crate::secret::{AuthorizationCode, ClientSecret, ExposeSecret};
use crate::token::Grant;

/// The secrets of the request, which a reply may contain anywhere.
const CODE: &str = "canary-code";
const CLIENT_SECRET: &str = "canary-client-secret";

/// Replaces every secret in a reply.
const ISSUED: &str = "canary-issued";

/// The members whose values are secret.
const SECRETS: [&str; 4] = ["access_token", "refresh_token", "id_token", "client_secret"];

/// The longest text of a provider that is kept, in characters.
const TEXT_LIMIT: usize = 300;

/// The most metadata that is kept, in bytes of JSON without the outer braces,
/// commas and quotes.
const METADATA_LIMIT: usize = 8 * 1024;

/// The longest wait that a provider can ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// The time of the request and of its reply, in seconds since 1970.
const NOW: i64 = 1_700_000_000;

/// One provider for each different treatment of replies: those of the catalog,
/// and one without quirks.
static PROVIDERS: LazyLock<Vec<Provider>> = LazyLock::new(|| {
    let plain = Preset {
        id: "plain",
        name: "Plain",
        auth_url: "https://example.com/authorize",
        token_url: "https://example.com/token",
    };
    let mut providers: Vec<Provider> = Vec::new();
    for preset in [plain].iter().chain(&PRESETS) {
        let provider = provider(preset);
        let is_known = |known: &Provider| reply_quirks(known) == reply_quirks(&provider);
        if !providers.iter().any(is_known) {
            providers.push(provider);
        }
    }
    providers
});

/// The quirks that affect replies.
fn reply_quirks(provider: &Provider) -> impl PartialEq + use<> {
    let quirks = provider.quirks();
    (
        quirks.default_expires_in,
        quirks.error_member,
        quirks.grant_ending_errors,
        quirks.nested_grant,
    )
}

fn provider(preset: &Preset) -> Provider {
    let text = |text: &str| Some(text.to_owned());
    let builder = Builder {
        provider_id: text(preset.id),
        name: text(preset.name),
        client_id: text("client"),
        client_secret: Some(ClientSecret::new(CLIENT_SECRET)),
        auth_url: text(preset.auth_url),
        token_url: text(preset.token_url),
        ..Builder::default()
    };
    let definition = builder.build().expect("a preset is a provider");
    definition.into_provider(Uuid::nil(), Source::Owner, Timestamp::from_millis(0))
}

/// The target `token_reply`.
pub(crate) fn token_reply(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let head = parts.next().unwrap_or_default();
    let body = parts.next().unwrap_or_default();
    let reply = reply(head, body);
    let planted = with_planted_secrets(body).map(|body| self::reply(head, &body));
    for provider in PROVIDERS.iter() {
        match grant_of(provider, &reply) {
            Ok(grant) => {
                assert_usable(&grant);
                assert_idempotent(provider, &reply, &grant);
                assert_no_secret(&grant);
            }
            Err(error) => assert_safe_to_show(&error),
        }
        if let Some(planted) = &planted {
            let said = match grant_of(provider, planted) {
                Ok(grant) => format!("{grant:?}"),
                Err(error) => format!("{error} {error:?}"),
            };
            assert!(!said.contains(ISSUED), "{said}");
        }
    }
}

fn reply(head: &[u8], body: &[u8]) -> HttpResponse {
    let head = String::from_utf8_lossy(head);
    let (status, wait) = head.split_once(' ').unwrap_or((&head, ""));
    let status = status.parse().ok();
    let status = status.and_then(|status: u16| StatusCode::from_u16(status).ok());
    let mut reply = Response::new(body.to_vec());
    *reply.status_mut() = status.unwrap_or(StatusCode::OK);
    if let Ok(wait) = HeaderValue::from_str(wait) {
        reply.headers_mut().insert(header::RETRY_AFTER, wait);
    }
    reply
}

/// The result of an exchange with this reply.
fn grant_of(provider: &Provider, reply: &HttpResponse) -> Result<Grant, Error> {
    let mut redactor = Redactor::of_client(provider);
    redactor.hide(&AuthorizationCode::new(CODE));
    let normalized = request::registered(provider)
        .exchange_code(oauth2::AuthorizationCode::new(CODE.to_owned()))
        .request(&|_| normalized(provider, &redactor, reply));
    let normalized = normalized.map_err(endpoint::into_error)?;
    let asked_at = Timestamp::from_millis(NOW * 1000);
    Ok(grant::of(&normalized, asked_at, redactor))
}

fn normalized(
    provider: &Provider,
    redactor: &Redactor,
    reply: &HttpResponse,
) -> Result<HttpResponse, Error> {
    let context = ReplyContext {
        quirks: &provider.quirks(),
        redactor,
        received_at: Timestamp::from_millis(NOW * 1000),
    };
    normalize::normalize(reply.clone(), &context).map_err(|unusable| unusable.error)
}

/// The body with [`ISSUED`] in place of every secret; `None` if the body contains
/// that text already or has no members.
fn with_planted_secrets(body: &[u8]) -> Option<Vec<u8>> {
    if let Ok(mut members) = serde_json::from_slice::<Value>(body) {
        let has_it_already = members.to_string().contains(ISSUED);
        plant(&mut members);
        return (!has_it_already).then(|| members.to_string().into_bytes());
    }
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(body) {
        if name.contains(ISSUED) || value.contains(ISSUED) {
            return None;
        }
        let is_secret = SECRETS.contains(&&*name);
        form.append_pair(&name, if is_secret { ISSUED } else { &value });
    }
    Some(form.finish().into_bytes())
}

fn plant(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if SECRETS.contains(&name.as_str()) => {
                        *text = ISSUED.to_owned();
                    }
                    other => plant(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(plant),
        _ => {}
    }
}

/// The grant can be stored, served and refreshed: no value is empty or too long,
/// and it expires after it was issued.
fn assert_usable(grant: &Grant) {
    assert!(!exposed(&grant.access_token).trim().is_empty());
    if let Some(refresh_token) = &grant.refresh_token {
        assert!(!exposed(refresh_token).trim().is_empty());
    }
    assert!(!grant.token_type.is_empty());
    assert!(
        grant
            .scopes
            .as_ref()
            .is_none_or(|scopes| !scopes.is_empty())
    );
    if let Some(expires_at) = grant.expires_at {
        assert!(expires_at.as_seconds() > NOW, "{expires_at}");
        let written = serde_json::to_string(&expires_at).expect("a time can be written");
        let read: Timestamp = serde_json::from_str(&written).expect("and read");
        assert_eq!(read, expires_at);
    }
    let sizes = grant.metadata.iter();
    let size: usize = sizes
        .map(|(name, value)| name.len() + value.to_string().len())
        .sum();
    assert!(size <= METADATA_LIMIT, "{size}");
    if let Some(label) = &grant.account_label {
        assert_short_line(label);
    }
}

/// Normalizing a normalized reply does not change the grant.
fn assert_idempotent(provider: &Provider, reply: &HttpResponse, grant: &Grant) {
    let redactor = Redactor::of_client(provider);
    let normalized = normalized(provider, &redactor, reply).expect("it was accepted before");
    let again = grant_of(provider, &normalized).expect("a normalized reply is accepted");
    let read = |grant: &Grant| {
        let refresh_token = grant.refresh_token.as_ref();
        (
            exposed(&grant.access_token).to_owned(),
            refresh_token.map(|token| exposed(token).to_owned()),
            grant.token_type.clone(),
            grant.scopes.clone(),
            grant.expires_at,
        )
    };
    assert_eq!(read(&again), read(grant));
}

/// No text that is stored with the tokens contains a token or a secret of the
/// request.
fn assert_no_secret(grant: &Grant) {
    let mut secrets = vec![CODE, CLIENT_SECRET, exposed(&grant.access_token)];
    secrets.extend(grant.refresh_token.as_ref().map(exposed));
    // The redactor does not search for shorter secrets.
    secrets.retain(|secret| secret.len() >= 4);
    let metadata = Value::Object(grant.metadata.clone());
    for secret in secrets {
        assert!(!holds(&metadata, secret), "{metadata}");
    }
    let label = grant.account_label.as_deref().unwrap_or_default();
    assert!(!label.contains(CODE) && !label.contains(CLIENT_SECRET));
}

fn holds(value: &Value, secret: &str) -> bool {
    match value {
        Value::String(text) => text.contains(secret),
        Value::Array(items) => items.iter().any(|item| holds(item, secret)),
        Value::Object(members) => members
            .iter()
            .any(|(name, member)| name.contains(secret) || holds(member, secret)),
        _ => false,
    }
}

/// An error is safe for logs and pages: short, and without the request's secrets.
fn assert_safe_to_show(error: &Error) {
    let said = format!("{error} {error:?}");
    assert!(
        !said.contains(CODE) && !said.contains(CLIENT_SECRET),
        "{said}"
    );
    match error {
        Error::InvalidGrant { description } => {
            description.iter().for_each(|text| assert_short_line(text));
        }
        Error::ClientRejected { code, description } | Error::Refused { code, description } => {
            assert_short_line(code);
            description.iter().for_each(|text| assert_short_line(text));
        }
        Error::Unavailable { retry_after } => {
            assert!(retry_after.is_none_or(|wait| wait <= LONGEST_WAIT));
        }
        Error::OutcomeUnknown { retry_after, .. } => {
            assert!(retry_after.is_none_or(|wait| wait <= LONGEST_WAIT));
        }
        Error::MalformedResponse { .. } => {}
        Error::Unreachable | Error::HttpClient { .. } => panic!("there was a reply: {said}"),
    }
}

fn assert_short_line(text: &str) {
    assert!(!text.trim().is_empty() && text.chars().count() <= TEXT_LIMIT);
    assert!(!crate::visible::has_invisible(text), "{text:?}");
}

#[expect(clippy::disallowed_methods, reason = "a made-up secret is looked for")]
fn exposed(secret: &impl ExposeSecret<str>) -> &str {
    secret.expose_secret()
}
