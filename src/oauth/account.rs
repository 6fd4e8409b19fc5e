//! Account information in a token reply: an identifier to compare accounts by, a
//! label for people, and metadata for programs. None of them contains a secret.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::redact::Redactor;
use crate::secret::names;
use crate::token::AccountId;

/// The most metadata that is stored, in bytes of JSON: every reply that contains
/// the token includes it.
const METADATA_LIMIT: usize = 8 * 1024;

/// Claims of an ID token that name an account (OpenID Connect Core, section
/// 5.1), the most readable one first.
const CLAIMS: [&str; 4] = ["/email", "/preferred_username", "/name", "/sub"];

/// JSON pointers to the name of the account in the replies of providers.
const NAMES: [&str; 8] = [
    "/email",
    "/username",
    "/data/email",              // Asana
    "/owner/user/person/email", // Notion
    "/workspace_name",          // Notion
    "/team/name",               // Slack
    "/enterprise/name",         // Slack, a whole organization
    "/user/name",
];

/// JSON pointers to the parts of an account identifier in the replies of
/// providers, and the prefix that the last part must have.
const IDENTIFIERS: [(&[&str], &str); 4] = [
    (&["/team/id", "/authed_user/id"], ""),     // Slack
    (&["/workspace_id", "/owner/user/id"], ""), // Notion
    (&["/account_id"], "dbid:"),                // Dropbox
    (&["/id"], "https://"),                     // Salesforce
];

/// The longest part of an identifier, in bytes: the limit of `sub` in OpenID
/// Connect Core, section 2. Longer ones are ignored.
const LONGEST_IDENTIFIER: usize = 255;

/// The identifier of the account: issuer and subject of the ID token, else the
/// identifier that a well-known provider sends. `None` if there is neither.
pub(super) fn identifier(members: &Map<String, Value>, redactor: &Redactor) -> Option<AccountId> {
    let claims = members.get("id_token").and_then(Value::as_str);
    let claims = claims.and_then(claims_of).unwrap_or_default();
    let claim = |name: &str| {
        let text = claims.get(name)?.as_str()?;
        let is_fit = !text.is_empty() && text.len() <= LONGEST_IDENTIFIER;
        (is_fit && !redactor.finds_secret_in(text)).then(|| text.to_owned())
    };
    match claim("iss").zip(claim("sub")) {
        Some((issuer, subject)) => Some(AccountId {
            issuer: Some(issuer),
            subject,
        }),
        None => identifier_in(members),
    }
}

/// The identifier of the account in the stored metadata of a reply.
pub(super) fn identifier_in(members: &Map<String, Value>) -> Option<AccountId> {
    let members = Value::Object(members.clone());
    let subject = |(pointers, prefix): &(&[&str], &str)| {
        let parts: Option<Vec<_>> = pointers
            .iter()
            .map(|pointer| members.pointer(pointer)?.as_str())
            .map(|text| text.filter(|text| text.len() <= LONGEST_IDENTIFIER && !text.is_empty()))
            .collect();
        let parts = parts?;
        let is_known = parts.last().is_some_and(|last| last.starts_with(prefix));
        is_known.then(|| parts.join("/"))
    };
    let subject = IDENTIFIERS.iter().find_map(subject)?;
    Some(AccountId {
        issuer: None,
        subject,
    })
}

/// The account's name for people; `None` if the reply does not contain one.
pub(super) fn label(members: &Map<String, Value>, redactor: &Redactor) -> Option<String> {
    let reply = Value::Object(members.clone());
    let claims = members.get("id_token").and_then(Value::as_str);
    let claims = claims.and_then(claims_of).unwrap_or_default();
    let named = |value: &Value, pointers: &[&str]| {
        pointers
            .iter()
            .filter_map(|pointer| value.pointer(pointer)?.as_str())
            .find_map(|text| redactor.shown(text))
    };
    named(&claims, &CLAIMS).or_else(|| named(&reply, &NAMES))
}

/// The claims of an ID token. Its signature is not verified: the token endpoint
/// sent it over TLS (OpenID Connect Core, section 3.1.3.7, point 6).
fn claims_of(id_token: &str) -> Option<Value> {
    let claims = id_token.split('.').nth(1)?.trim_end_matches('=');
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
}

/// The members to store: all except secrets and Slack's `ok`, in the order of
/// their names, up to [`METADATA_LIMIT`].
pub(super) fn metadata(members: Map<String, Value>, redactor: &Redactor) -> Map<String, Value> {
    let mut room = METADATA_LIMIT;
    let Value::Object(members) = without_secrets(Value::Object(members), redactor) else {
        return Map::new();
    };
    members
        .into_iter()
        .filter(|(name, value)| {
            let size = name.len() + value.to_string().len();
            let fits = name != "ok" && size <= room;
            room -= if fits { size } else { 0 };
            fits
        })
        .collect()
}

/// Removes members with secret names or values, at any depth.
fn without_secrets(value: Value, redactor: &Redactor) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .filter(|(name, value)| !is_secret(name, value, redactor))
            .map(|(name, value)| (name, without_secrets(value, redactor)))
            .collect(),
        Value::Array(items) => items
            .into_iter()
            .filter(|item| !holds_secret(item, redactor))
            .map(|item| without_secrets(item, redactor))
            .collect(),
        plain => plain,
    }
}

fn is_secret(name: &str, value: &Value, redactor: &Redactor) -> bool {
    names::may_be_secret_in_response(name)
        || redactor.finds_secret_in(name)
        || holds_secret(value, redactor)
}

fn holds_secret(value: &Value, redactor: &Redactor) -> bool {
    value
        .as_str()
        .is_some_and(|text| redactor.finds_secret_in(text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::secret::AccessToken;

    fn members(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    fn label_of(value: Value) -> Option<String> {
        label(&members(value), &Redactor::default())
    }

    #[test]
    fn the_label_is_read_from_the_id_token_or_the_reply() {
        let claims = URL_SAFE_NO_PAD.encode(r#"{"sub":"1","email":"ada@example.com"}"#);
        let id_token = format!("e30.{claims}.sig");
        assert_eq!(
            label_of(json!({"id_token": id_token, "email": "other"})).unwrap(),
            "ada@example.com"
        );
        assert_eq!(label_of(json!({"team": {"name": "Ada"}})).unwrap(), "Ada");
        assert_eq!(
            label_of(json!({"workspace_name": "Home", "owner": {"type": "workspace"}})).unwrap(),
            "Home"
        );
        assert_eq!(label_of(json!({"id_token": "no.%%.jwt"})), None);
        assert_eq!(label_of(json!({"id_token": 7, "team": null})), None);
    }

    #[test]
    fn the_identifier_is_read_from_the_id_token_or_the_reply_of_a_known_provider() {
        let of = |value: Value| {
            let found = identifier(&members(value), &Redactor::default())?;
            Some((found.issuer, found.subject))
        };
        let own = |subject: &str| Some((None, subject.to_owned()));
        let claims = URL_SAFE_NO_PAD.encode(r#"{"iss":"https://i","sub":"1"}"#);
        let slack = json!({"team": {"id": "T"}, "authed_user": {"id": "U"}});
        let mut both = slack.clone();
        both["id_token"] = json!(format!("e30.{claims}.sig"));
        assert_eq!(of(both), Some((Some("https://i".into()), "1".into())));
        assert_eq!(of(slack), own("T/U"));
        let notion = json!({"workspace_id": "w", "owner": {"user": {"id": "u"}}});
        assert_eq!(of(notion), own("w/u"));
        assert_eq!(of(json!({"account_id": "dbid:x"})), own("dbid:x"));
        let salesforce = "https://login.salesforce.com/id/00D/005";
        assert_eq!(of(json!({"id": salesforce})), own(salesforce));
        // Other providers use these members for a token or an organization.
        assert_eq!(of(json!({"id": "42", "account_id": "acme"})), None);
        assert_eq!(of(json!({"team": {"id": "T"}})), None);
    }

    #[test]
    fn metadata_excludes_secrets() {
        let mut redactor = Redactor::default();
        redactor.hide(&AccessToken::new("canary"));
        let kept = metadata(
            members(json!({
                "ok": true,
                "id_token": "canary-id",
                "instance_url": "https://na1.example.com",
                "team": {"id": "T1", "secret_key": "canary-2"},
                "authed_user": {"id": "U1", "access_token": "canary-3"},
                "incoming_webhook": {"url": "https://hooks.example.com/canary"},
                "echo": "was canary",
                "list": ["canary", "kept", {"refresh_token": "x"}],
            })),
            &redactor,
        );
        assert_eq!(
            Value::Object(kept),
            json!({
                "instance_url": "https://na1.example.com",
                "team": {"id": "T1"},
                "authed_user": {"id": "U1"},
                "list": ["kept", {}],
            })
        );
    }

    #[test]
    fn metadata_has_a_size_limit() {
        let big = "x".repeat(METADATA_LIMIT);
        let kept = metadata(members(json!({"a": big, "b": 1})), &Redactor::default());
        assert_eq!(Value::Object(kept), json!({"b": 1}));
    }
}
