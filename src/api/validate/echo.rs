//! The values that a 422 reply may echo: small ones without secrets.
//!
//! A member counts as secret by its name, at any depth and in any case. A text that
//! contains such a name (a form body, JSON inside a string) or is a URL with a
//! password is replaced as a whole.

use serde_json::{Map, Value};
use url::Url;

use crate::secret::names;

const HIDDEN: &str = "[redacted]";

/// The largest echoed value, in bytes of JSON.
const LIMIT: usize = 1024;

/// The deepest nesting that is echoed. JSON parsers stop at 128.
const DEPTH_LIMIT: usize = 16;

/// The value as it may be echoed; `None` if it is too large.
pub(super) fn echo(value: &Value) -> Option<Value> {
    let shown = redacted(value, 0);
    let length = serde_json::to_vec(&shown).map_or(usize::MAX, |json| json.len());
    (length <= LIMIT).then_some(shown)
}

/// The replacement for a value that must not be echoed.
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

/// Whether a text is a URL with a password or a user name, which may be secret too.
fn has_user_info(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| !url.username().is_empty() || url.password().is_some())
}

/// Removes members that contain credentials, at any depth.
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
    fn secrets_are_replaced_at_any_depth_in_any_case() {
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
    fn a_large_value_is_not_echoed() {
        assert_eq!(echo(&json!("x".repeat(1023))), None);
        assert!(echo(&json!("x".repeat(1022))).is_some());
        assert!(echo(&json!({"code": "x".repeat(10_000)})).is_some());
    }

    #[test]
    fn a_deep_value_is_truncated() {
        let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
        let shown = echo(&deep).unwrap().to_string();
        assert_eq!(shown, format!("{}\"…\"{}", "[".repeat(16), "]".repeat(16)));
    }
}
