//! What holds for every reply of a token endpoint, at whichever provider: a
//! grant that is taken has a token and an end that can be written down, reads
//! the same once it conforms, and tells no secret; neither does a refusal.
//!
//! The input is the reply: a line with its status and its `Retry-After`, then
//! its body.

use std::sync::LazyLock;
use std::time::Duration;

use oauth2::HttpResponse;
use oauth2::http::{HeaderValue, Response, StatusCode, header};
use serde_json::Value;
use url::form_urlencoded;
use uuid::Uuid;

use super::normalize::{self, ReplyContext};
use super::redact::Redactor;
use super::{Error, endpoint, grant, request};
use crate::clock::Timestamp;
use crate::provider::catalog::{PRESETS, Preset};
use crate::provider::{Builder, Provider, Source};
use crate::secret::{AuthorizationCode, ClientSecret, ExposeSecret};
use crate::token::Grant;

/// The secrets of the request, which a reply may repeat anywhere.
const CODE: &str = "canary-code";
const CLIENT_SECRET: &str = "canary-client-secret";

/// Put in the place of every secret that a reply brings.
const ISSUED: &str = "canary-issued";

/// The members that bring one.
const SECRETS: [&str; 4] = ["access_token", "refresh_token", "id_token", "client_secret"];

/// The longest text of a provider's that is kept, in characters.
const TEXT_LIMIT: usize = 300;

/// How much metadata is kept, in bytes of JSON without its own braces, commas
/// and quotes.
const METADATA_LIMIT: usize = 8 * 1024;

/// The longest that a provider is left alone.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// When the request was sent and answered, in seconds since 1970.
const NOW: i64 = 1_700_000_000;

/// A provider for each way of reading a reply: those of the catalog, and one
/// without quirks.
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
        let is_known = |known: &Provider| way_of_reading(known) == way_of_reading(&provider);
        if !providers.iter().any(is_known) {
            providers.push(provider);
        }
    }
    providers
});

/// What of a provider's quirks is about replies.
fn way_of_reading(provider: &Provider) -> impl PartialEq + use<> {
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
    let planted = planted(body).map(|body| self::reply(head, &body));
    for provider in PROVIDERS.iter() {
        match grant_in(provider, &reply) {
            Ok(grant) => {
                is_usable(&grant);
                is_read_again_as_it_was(provider, &reply, &grant);
                tells_no_secret(&grant);
            }
            Err(error) => is_tellable(&error),
        }
        if let Some(planted) = &planted {
            let said = match grant_in(provider, planted) {
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

/// What an exchange would make of this reply.
fn grant_in(provider: &Provider, reply: &HttpResponse) -> Result<Grant, Error> {
    let mut redactor = Redactor::of_client(provider);
    redactor.hide(&AuthorizationCode::new(CODE));
    let conformed = request::registered(provider)
        .exchange_code(oauth2::AuthorizationCode::new(CODE.to_owned()))
        .request(&|_| conformed(provider, &redactor, reply));
    let conformed = conformed.map_err(endpoint::into_error)?;
    let asked_at = Timestamp::from_millis(NOW * 1000);
    Ok(grant::of(&conformed, asked_at, redactor))
}

fn conformed(
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

/// The body with [`ISSUED`] for every secret that it brings; `None` if it has
/// that text already, or holds no members.
fn planted(body: &[u8]) -> Option<Vec<u8>> {
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

/// It can be stored, served and refreshed: nothing in it is empty or without
/// bounds, and its end is after its beginning.
fn is_usable(grant: &Grant) {
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
        is_one_short_line(label);
    }
}

/// A reply that conforms says the same when it is made to conform again.
fn is_read_again_as_it_was(provider: &Provider, reply: &HttpResponse, grant: &Grant) {
    let redactor = Redactor::of_client(provider);
    let conformed = conformed(provider, &redactor, reply).expect("it did before");
    let again = grant_in(provider, &conformed).expect("a reply that conforms is taken");
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

/// No text that is kept beside the tokens has one of them, or a secret of the
/// request, in it.
fn tells_no_secret(grant: &Grant) {
    let mut secrets = vec![CODE, CLIENT_SECRET, exposed(&grant.access_token)];
    secrets.extend(grant.refresh_token.as_ref().map(exposed));
    // Shorter ones protect nothing; see `redact.rs`.
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

/// A refusal is for logs and pages: bounded, and without the request's secrets.
fn is_tellable(error: &Error) {
    let said = format!("{error} {error:?}");
    assert!(
        !said.contains(CODE) && !said.contains(CLIENT_SECRET),
        "{said}"
    );
    match error {
        Error::InvalidGrant { description } => {
            description.iter().for_each(|text| is_one_short_line(text));
        }
        Error::ClientRejected { code, description } | Error::Refused { code, description } => {
            is_one_short_line(code);
            description.iter().for_each(|text| is_one_short_line(text));
        }
        Error::Unavailable { retry_after } => {
            assert!(retry_after.is_none_or(|wait| wait <= LONGEST_WAIT));
        }
        Error::OutcomeUnknown { retry_after, .. } => {
            assert!(retry_after.is_none_or(|wait| wait <= LONGEST_WAIT));
        }
        Error::MalformedResponse { .. } => {}
        Error::Unreachable | Error::HttpClient { .. } => panic!("a reply did come: {said}"),
    }
}

fn is_one_short_line(text: &str) {
    assert!(!text.trim().is_empty() && text.chars().count() <= TEXT_LIMIT);
    assert!(!crate::visible::has_invisible(text), "{text:?}");
}

#[expect(clippy::disallowed_methods, reason = "a made-up secret is looked for")]
fn exposed(secret: &impl ExposeSecret<str>) -> &str {
    secret.expose_secret()
}
