//! Reads a request field by field and continues after an error.
//!
//! [`Fields`] is a body or a query, [`FieldValue`] one value of it. The parsed tree
//! may contain secrets and is zeroized when dropped. (The caller owns the bytes.
//! Earlier values of a repeated member and the JSON parser's buffers cannot be
//! zeroized.)

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use url::form_urlencoded;
use zeroize::Zeroize as _;

use super::field_value::{fault, named, shown};
use super::{FieldErrors, FieldValue, Loc, Problem, echo};
use crate::secret::names;

/// The parameters that RFC 6749 (sections 4.1.2 and 4.1.2.1) and RFC 9207 define.
const RESPONSE_PARAMETERS: [&str; 5] = ["code", "state", "error", "error_description", "iss"];

/// The fields of a request, and the errors of those that were read so far.
pub(crate) struct Fields {
    root: &'static str,
    members: Value,
    faults: FieldErrors,
}

impl Fields {
    const BODY: &'static str = "body";
    const QUERY: &'static str = "query";

    /// Parses a JSON object. The last value of a repeated member counts.
    ///
    /// # Errors
    /// The body is empty, not JSON, or not an object.
    pub(crate) fn body(bytes: &[u8]) -> Result<Self, FieldErrors> {
        let body = Loc::Name(Self::BODY.to_owned());
        if bytes.is_empty() {
            let problem = Problem::missing();
            return Err(fault(vec![body], problem, Some(Value::Null)).into());
        }
        let mut members = serde_json::from_slice(bytes).map_err(|error| {
            let loc = vec![body.clone(), Loc::Index(position(&error, bytes))];
            let problem = Problem::not_json(clause(&error));
            FieldErrors::from(fault(loc, problem, Some(Value::Object(Map::new()))))
        })?;
        if !matches!(members, Value::Object(_)) {
            // A text is usually a whole body that was encoded twice.
            let shown = shown(&members, members.is_string());
            wipe(&mut members);
            return Err(fault(vec![body], Problem::not_an_object(), shown).into());
        }
        Ok(Self::new(Self::BODY, members))
    }

    /// Parses a query string. The last value of a repeated parameter counts.
    pub(crate) fn query(text: &str) -> Self {
        let parameters = form_urlencoded::parse(text.as_bytes())
            .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())));
        Self::new(Self::QUERY, parameters.collect())
    }

    /// Parses an authorization response (RFC 6749, section 3.1): a parameter of its
    /// own without a value counts as absent, and a repeated parameter is an error.
    pub(crate) fn authorization_response(text: &str) -> Self {
        let mut fields = Self::new(Self::QUERY, Value::Null);
        let mut parameters = Map::new();
        let mut names = BTreeSet::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if !names.insert(name.clone()) {
                let problem = Problem::rule("the parameter is given more than once");
                fields.refuse(&name, problem.hiding_input());
            } else if !value.is_empty() || !RESPONSE_PARAMETERS.contains(&&*name) {
                parameters.insert(name.into_owned(), Value::String(value.into_owned()));
            }
        }
        fields.members = Value::Object(parameters);
        fields
    }

    fn new(root: &'static str, members: Value) -> Self {
        Self {
            root,
            members,
            faults: FieldErrors::default(),
        }
    }

    /// Reads a required field with `read`. Returns `None` only after an error.
    pub(crate) fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut FieldValue<'_>) -> Option<T>,
    ) -> Option<T> {
        if self.members.get(name).is_some() {
            return self.read(name, read);
        }
        // FastAPI echoes the whole body here, and nothing for a query.
        let input = if self.root == Self::BODY {
            echo::echo(&self.members)
        } else {
            Some(Value::Null)
        };
        let fault = fault(self.loc(name), Problem::missing(), input);
        self.faults.push(fault);
        None
    }

    /// Reads an optional field. `null` counts as absent.
    pub(crate) fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut FieldValue<'_>) -> Option<T>,
    ) -> Option<T> {
        match self.members.get(name) {
            None | Some(Value::Null) => None,
            Some(_) => self.read(name, read),
        }
    }

    /// Reads an optional field that must not be `null`; `default` if absent.
    pub(crate) fn with_default<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut FieldValue<'_>) -> Option<T>,
        default: T,
    ) -> T {
        self.non_null(name, read).unwrap_or(default)
    }

    /// Reads an optional field that must not be `null`.
    pub(crate) fn non_null<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut FieldValue<'_>) -> Option<T>,
    ) -> Option<T> {
        self.members.get(name)?;
        self.read(name, read)
    }

    fn read<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut FieldValue<'_>) -> Option<T>,
    ) -> Option<T> {
        let loc = self.loc(name);
        let value = self.members.get(name)?;
        read(&mut FieldValue::new(name, value, loc, &mut self.faults))
    }

    /// Records an error of the field `name` that depends on other fields.
    pub(crate) fn refuse(&mut self, name: &str, problem: Problem) {
        let value = self.members.get(name).unwrap_or(&Value::Null);
        let shown = shown(value, problem.hides_input || names::is_secret(name));
        let fault = fault(self.loc(name), problem, shown);
        self.faults.push(fault);
    }

    /// Whether the field `name` has an error already.
    pub(crate) fn is_refused(&self, name: &str) -> bool {
        let loc = self.loc(name);
        self.faults.detail.iter().any(|fault| fault.loc == loc)
    }

    /// Returns the result of `request` if there were no errors.
    ///
    /// # Errors
    /// All recorded errors.
    pub(crate) fn finish<T>(
        mut self,
        request: impl FnOnce() -> Option<T>,
    ) -> Result<T, FieldErrors> {
        let faults = std::mem::take(&mut self.faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        request().ok_or(faults)
    }

    fn loc(&self, name: &str) -> Vec<Loc> {
        vec![Loc::Name(self.root.to_owned()), named(name)]
    }
}

impl Drop for Fields {
    fn drop(&mut self) {
        wipe(&mut self.members);
    }
}

/// The message of `error` without the line and column at its end.
fn clause(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let field = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&field).unwrap_or(&text).to_owned()
}

/// The byte offset of the error.
fn position(error: &serde_json::Error, bytes: &[u8]) -> usize {
    if error.is_eof() {
        return bytes.len();
    }
    let lines_before: usize = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .take(error.line().saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    lines_before + error.column().saturating_sub(1)
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::validate::{boolean, text};

    fn refusal(body: &[u8]) -> Value {
        let faults = Fields::body(body).err().unwrap();
        serde_json::to_value(faults).unwrap()
    }

    #[test]
    fn the_error_of_a_body_that_is_not_json_contains_the_offset() {
        let expected = |at: usize, error: &str| {
            json!({"detail": [{
                "loc": ["body", at],
                "msg": "JSON decode error",
                "type": "json_invalid",
                "input": {},
                "ctx": {"error": error},
            }]})
        };
        assert_eq!(refusal(b"{\"a\":}"), expected(5, "expected value"));
        assert_eq!(
            refusal(b"{\n  \"a\": 1,\n  x"),
            expected(14, "key must be a string")
        );
        assert_eq!(
            refusal(b"{\"a\""),
            expected(4, "EOF while parsing an object")
        );
        let deep = "[".repeat(200);
        assert_eq!(
            refusal(deep.as_bytes()),
            expected(127, "recursion limit exceeded")
        );
    }

    #[test]
    fn an_empty_body_counts_as_missing() {
        assert_eq!(
            refusal(b""),
            json!({"detail": [
                {"loc": ["body"], "msg": "Field required", "type": "missing", "input": null}
            ]})
        );
    }

    #[test]
    fn a_body_that_is_not_an_object_is_rejected() {
        let expected = |input: Value| {
            json!({"detail": [{
                "loc": ["body"],
                "msg": "Input should be a valid dictionary or object to extract fields from",
                "type": "model_attributes_type",
                "input": input,
            }]})
        };
        assert_eq!(refusal(b"[1]"), expected(json!([1])));
        assert_eq!(refusal(b"null"), expected(Value::Null));
        assert_eq!(refusal(br#""{\"k\":1}""#), expected(json!("[redacted]")));
    }

    #[test]
    fn null_counts_as_absent_for_optional_fields_only() {
        let mut fields = Fields::body(br#"{"a": null, "b": null, "c": null}"#).unwrap();
        assert_eq!(fields.optional("a", text), None);
        fields.required("b", text);
        assert!(fields.with_default("c", boolean, true));
        let faults = fields.finish(|| Some(())).unwrap_err();
        assert_eq!(
            faults.to_string(),
            "body.b: Input should be a valid string; body.c: Input should be a valid boolean"
        );
    }

    #[test]
    fn the_last_of_a_repeated_member_or_parameter_counts() {
        let mut fields = Fields::body(br#"{"a": "1", "a": "2"}"#).unwrap();
        assert_eq!(fields.required("a", text).unwrap(), "2");
        let mut fields = Fields::query("a=1&a=%32");
        assert_eq!(fields.required("a", text).unwrap(), "2");
    }
}
