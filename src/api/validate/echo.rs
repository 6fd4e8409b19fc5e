//! What a 422 answer may show of the request: small values, and no secret.
//!
//! A member is taken for a secret by its name, at any depth and in any case;
//! a text that names one (a form body, JSON inside a string), or is an address
//! with a password, is hidden whole.

use serde_json::{Map, Value};
use url::Url;

use crate::secret::names;

const HIDDEN: &str = "[redacted]";

/// Bytes of JSON: enough for any field that a person mistyped.
const LIMIT: usize = 1024;

/// The client's own JSON reader stops at 128; nothing that a person wrote by
/// hand is nearly as deep as this.
const DEPTH_LIMIT: usize = 16;

/// The value as it may be shown; `None` if it is too large to be.
pub(super) fn echo(value: &Value) -> Option<Value> {
    let shown = redacted(value, 0);
    let length = serde_json::to_vec(&shown).map_or(usize::MAX, |json| json.len());
    (length <= LIMIT).then_some(shown)
}

/// What stands for a value that is not shown.
pub(super) fn hidden() -> Value {
    Value::from(HIDDEN)
}

fn redacted(value: &Value, depth: usize) -> Value {
    match value {
        Value::Array(_) | Value::Object(_) if depth == DEPTH_LIMIT => Value::from("…"),
        Value::Array(items) => items.iter().map(|item| redacted(item, depth + 1)).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| {
                let shown = if names::is_secret(name) {
                    hidden()
                } else {
                    redacted(member, depth + 1)
                };
                (name.clone(), shown)
            })
            .collect(),
        Value::String(text) if names::mentions_secret(text) || has_user_info(text) => hidden(),
        shown => shown.clone(),
    }
}

/// Whether a text is an address with a password, or with a user name, which may
/// be one.
fn has_user_info(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| !url.username().is_empty() || url.password().is_some())
}

/// The members without those that carry a credential, at any depth.
pub(crate) fn without_secrets(members: &Map<String, Value>) -> Map<String, Value> {
    members
        .iter()
        .filter(|(name, _)| !names::is_credential(name))
        .map(|(name, member)| (name.clone(), stripped(member)))
        .collect()
}

fn stripped(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(stripped).collect(),
        Value::Object(members) => Value::Object(without_secrets(members)),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_hidden_at_any_depth_in_any_case() {
        let value = json!({
            "name": "shown",
            "Client_Secret": "x",
            "list": [{"STATE": {"inner": "x"}}, "grant_type=x&code=x"],
            "encoded": "{\"access_token\": \"x\"}",
            "address": "https://me:x@example.com/",
        });
        assert_eq!(
            echo(&value),
            Some(json!({
                "name": "shown",
                "Client_Secret": "[redacted]",
                "list": [{"STATE": "[redacted]"}, "[redacted]"],
                "encoded": "[redacted]",
                "address": "[redacted]",
            }))
        );
    }

    #[test]
    fn a_large_value_is_left_out() {
        assert_eq!(echo(&json!("x".repeat(1023))), None);
        assert!(echo(&json!("x".repeat(1022))).is_some());
        assert!(echo(&json!({"code": "x".repeat(10_000)})).is_some());
    }

    #[test]
    fn a_deep_value_is_cut_off() {
        let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
        let shown = echo(&deep).unwrap().to_string();
        assert_eq!(shown, format!("{}\"…\"{}", "[".repeat(16), "]".repeat(16)));
    }
}
