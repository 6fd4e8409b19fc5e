//! The validation errors of a request: the body of a 422 reply, in the form of
//! FastAPI and pydantic.
//!
//! Validation (`validate/fields.rs`) continues after an error, so that one reply
//! contains all of them. Invalid values are echoed, as FastAPI does, except values
//! that may be secret and large ones (`validate/echo.rs`).

mod echo;
mod fields;
mod lengths;
mod field_value;
mod problem;
mod readers;

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::identity::check_label;

pub(crate) use echo::without_secrets;
pub(crate) use field_value::FieldValue;
pub(crate) use fields::Fields;
pub(crate) use problem::Problem;
pub(crate) use readers::{
    address_text, boolean, choice, client_id, endpoint, filled_label, generation, label, list,
    non_empty_text, object, provider_id, redirect_uris, scopes, seconds, text, text_map, token_id,
    whole_number,
};

/// All errors of one request: `{"detail": [ … ]}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FieldErrors {
    /// The errors, in the order in which the fields were read.
    pub detail: Vec<FieldError>,
}

/// One error of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldError {
    /// The location: `body` or `query`, then the path to the value.
    pub loc: Vec<Loc>,
    /// The message for people.
    pub msg: String,
    /// The error for programs: pydantic's error type.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// The invalid value without secrets; absent if it is large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// The parameters of `msg`, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ctx: Option<Map<String, Value>>,
}

/// One step of the path to a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Loc {
    /// An index in an array, or a byte offset in a body that is not JSON.
    Index(usize),
    /// A member of an object.
    Name(String),
}

impl FieldErrors {
    /// The most errors in a reply. Without a limit, the reply to 64 KiB of commas
    /// would have megabytes.
    const LIMIT: usize = 100;

    /// An error of a member of the body that was found by a comparison with stored
    /// data.
    #[must_use]
    pub fn of_rule(member: &str, rule: &str) -> Self {
        let loc = vec![Loc::Name("body".to_owned()), Loc::Name(member.to_owned())];
        field_value::fault(loc, Problem::rule(rule), None).into()
    }

    /// The error of a label in the path that is too long or has invisible
    /// characters; `None` if it is valid.
    #[must_use]
    pub fn of_path_label(parameter: &str, label: &str) -> Option<Self> {
        let problem = Problem::of_label(check_label(label).err()?);
        let steps = ["path", parameter].map(|step| Loc::Name(step.to_owned()));
        let input = field_value::shown(&Value::from(label), false);
        Some(field_value::fault(steps.into(), problem, input).into())
    }

    fn push(&mut self, fault: FieldError) {
        if self.detail.len() < Self::LIMIT {
            self.detail.push(fault);
        }
    }

    fn is_empty(&self) -> bool {
        self.detail.is_empty()
    }
}

impl From<FieldError> for FieldErrors {
    fn from(fault: FieldError) -> Self {
        Self {
            detail: vec![fault],
        }
    }
}

/// One line, without the echoed input: `body.provider: Field required; …`.
impl fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.detail.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.loc.iter().enumerate() {
            let separator = if index == 0 { "" } else { "." };
            match step {
                Loc::Index(at) => write!(f, "{separator}{at}")?,
                Loc::Name(name) => write!(f, "{separator}{name}")?,
            }
        }
        write!(f, ": {}", self.msg)
    }
}

impl std::error::Error for FieldErrors {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_contains_a_limited_number_of_errors() {
        let body = format!(r#"{{"scopes": [{}1]}}"#, "1,".repeat(500));
        let mut fields = Fields::body(body.as_bytes()).unwrap();
        fields.required("scopes", scopes);
        let faults = fields.finish(|| Some(())).unwrap_err();
        assert_eq!(faults.detail.len(), FieldErrors::LIMIT);
    }

    #[test]
    fn errors_are_parsed_as_they_are_written() {
        let mut fields = Fields::body(br#"{"scopes": [1], "token_id": "zz"}"#).unwrap();
        fields.required("scopes", scopes);
        fields.optional("token_id", token_id);
        let faults = fields.finish(|| Some(())).unwrap_err();
        let json = serde_json::to_string(&faults).unwrap();
        assert_eq!(serde_json::from_str::<FieldErrors>(&json).unwrap(), faults);
    }
}
