//! Properties of every request body: it is accepted, with the same result for every
//! notation of its JSON, or it is rejected with a reply that can be serialized, has
//! limited size, and contains no secret of the body.

use serde_json::{Map, Value};
use url::Url;
use uuid::Uuid;

use super::{
    AuthenticateRequest, CreateConnectionRequest, FinalizeRequest, FollowUpRequest,
    McpProviderCreateRequest, ProviderCreateRequest, ProviderUpdateRequest, TokenImportRequest,
    TokenStatusBatchRequest, TokenUpdateRequest, UpsertAgentTokenRequest,
};
use crate::api::validate::FieldErrors;
use crate::clock::Timestamp;
use crate::provider::{Pkce, Source, is_loopback, is_reserved_parameter};

/// Replaces every secret. No other text contains it.
const CANARY: &str = "canary";

/// Replaces secrets that are numbers.
const CANARY_NUMBER: u64 = 7_700_770_077;

/// The members whose values are secret, in any case and at any depth.
const SECRETS: [&str; 6] = [
    "access_token",
    "client_secret",
    "code",
    "code_verifier",
    "refresh_token",
    "state",
];

/// The members that are removed from imported metadata.
const CREDENTIALS: [&str; 4] = [
    "access_token",
    "client_secret",
    "code_verifier",
    "refresh_token",
];

/// The most errors in a reply, and the longest value that an error echoes, in bytes of
/// JSON.
const MOST_FAULTS: usize = 100;
const LONGEST_INPUT: usize = 1024;

/// Parses a body. The result contains no secrets.
pub(super) type Reader = fn(&[u8]) -> Result<String, FieldErrors>;

macro_rules! readers {
    ($($name:ident),+ $(,)?) => {
        [$(|body| $name::from_json(body).map(|request| format!("{request:?}"))),+]
    };
}

/// The parsers of all operations with a body.
pub(super) const READERS: [Reader; 11] = readers![
    AuthenticateRequest,
    CreateConnectionRequest,
    FinalizeRequest,
    FollowUpRequest,
    McpProviderCreateRequest,
    ProviderCreateRequest,
    ProviderUpdateRequest,
    TokenImportRequest,
    TokenStatusBatchRequest,
    TokenUpdateRequest,
    UpsertAgentTokenRequest,
];

/// The target `request_body`.
pub(crate) fn request_body(data: &[u8]) {
    let json: Option<Value> = serde_json::from_slice(data).ok();
    let again = json.as_ref().map(Value::to_string);
    let planted = json.and_then(planted);
    for reader in READERS {
        let read = reader(data);
        if let Err(faults) = &read {
            is_bounded(faults);
        }
        if let Some(again) = &again {
            let again = reader(again.as_bytes());
            assert_eq!(read.is_ok(), again.is_ok(), "{read:?} {again:?}");
            assert_eq!(read.ok(), again.ok());
        }
        if let Some(Err(faults)) = planted.as_ref().map(|body| reader(body.as_bytes())) {
            let said = is_bounded(&faults);
            assert!(!said.contains(CANARY), "{said}");
            assert!(!said.contains(&CANARY_NUMBER.to_string()), "{said}");
        }
    }
    is_a_provider(data);
    is_a_token(data);
}

/// The reply as it is sent and logged.
fn is_bounded(faults: &FieldErrors) -> String {
    assert!((1..=MOST_FAULTS).contains(&faults.detail.len()));
    for fault in &faults.detail {
        let input = fault.input.as_ref().map(Value::to_string);
        assert!(input.is_none_or(|input| input.len() <= LONGEST_INPUT));
    }
    let json = serde_json::to_string(faults).expect("faults can be written");
    let read: FieldErrors = serde_json::from_str(&json).expect("and read");
    assert_eq!(read.detail.len(), faults.detail.len());
    format!("{faults} {json}")
}

/// The body with a canary in place of every secret; `None` if it contains one.
fn planted(mut body: Value) -> Option<String> {
    let text = body.to_string();
    if text.contains(CANARY) || text.contains(&CANARY_NUMBER.to_string()) {
        return None;
    }
    plant(&mut body, false);
    Some(body.to_string())
}

fn plant(value: &mut Value, is_secret: bool) {
    match value {
        Value::String(text) if is_secret => *text = CANARY.to_owned(),
        Value::String(text) => plant_password(text),
        Value::Number(number) if is_secret => *number = CANARY_NUMBER.into(),
        Value::Array(items) => items.iter_mut().for_each(|item| plant(item, is_secret)),
        Value::Object(members) => {
            for (name, member) in members {
                plant(member, is_secret || is_one_of(name, &SECRETS));
            }
        }
        _ => {}
    }
}

/// Replaces the password in a URL.
fn plant_password(text: &mut String) {
    if let Ok(mut address) = Url::parse(text)
        && address.password().is_some()
        && address.set_password(Some(CANARY)).is_ok()
    {
        *text = address.into();
    }
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// An accepted provider satisfies the rules for its client and its URLs.
fn is_a_provider(data: &[u8]) {
    let Ok(request) = ProviderCreateRequest::from_json(data) else {
        return;
    };
    let provider =
        request
            .definition
            .into_provider(Uuid::nil(), Source::Owner, Timestamp::from_millis(0));
    assert!(provider.client.is_confidential() || provider.pkce != Pkce::Off);
    for address in [&provider.endpoints.authorization, &provider.endpoints.token] {
        assert!(
            address.scheme() == "https" || is_loopback(address),
            "{address}"
        );
        assert!(address.username().is_empty() && address.password().is_none());
        assert!(address.fragment().is_none(), "{address}");
    }
    let mut names = provider.authorization_params.keys();
    assert!(names.all(|name| !is_reserved_parameter(name)));
}

/// The metadata of an accepted token contains no credential.
fn is_a_token(data: &[u8]) {
    let Ok(request) = TokenImportRequest::from_json(data) else {
        return;
    };
    carries_no_credential(&request.token.metadata);
}

fn carries_no_credential(members: &Map<String, Value>) {
    for (name, member) in members {
        assert!(!is_one_of(name, &CREDENTIALS), "{name}");
        match member {
            Value::Object(inner) => carries_no_credential(inner),
            Value::Array(items) => {
                let objects = items.iter().filter_map(Value::as_object);
                objects.for_each(carries_no_credential);
            }
            _ => {}
        }
    }
}
