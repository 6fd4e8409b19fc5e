//! Validation errors with pydantic's type, message and parameters.
//!
//! They are those of pydantic 2.13, which clients of the hosted service may rely on.
//! The reasons for invalid URLs and UUIDs are those of the crates that parse them.
//! Rules that pydantic does not have use the type `value_error`.

use serde_json::{Value, json};

use crate::identity::{LONGEST_LABEL, LabelError};

/// An error of a value, without its location.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(super) kind: &'static str,
    pub(super) msg: String,
    pub(super) ctx: Option<(&'static str, Value)>,
    /// Whether the value must not be echoed.
    pub(super) hides_input: bool,
}

impl Problem {
    fn plain(kind: &'static str, msg: impl Into<String>) -> Self {
        Self {
            kind,
            msg: msg.into(),
            ctx: None,
            hides_input: false,
        }
    }

    fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.ctx = Some((name, value.into()));
        self
    }

    /// Prevents the value from being echoed.
    pub(super) fn hiding_input(mut self) -> Self {
        self.hides_input = true;
        self
    }

    pub(super) fn missing() -> Self {
        Self::plain("missing", "Field required")
    }

    pub(super) fn not_json(error: impl Into<String>) -> Self {
        Self::plain("json_invalid", "JSON decode error").with("error", error.into())
    }

    pub(super) fn not_an_object() -> Self {
        Self::plain(
            "model_attributes_type",
            "Input should be a valid dictionary or object to extract fields from",
        )
    }

    pub(super) fn not_text() -> Self {
        Self::plain("string_type", "Input should be a valid string")
    }

    pub(super) fn empty_text() -> Self {
        Self::plain(
            "string_too_short",
            "String should have at least 1 character",
        )
        .with("min_length", 1)
    }

    /// `most` is in characters.
    pub(super) fn too_long(most: usize) -> Self {
        Self::plain(
            "string_too_long",
            format!("String should have at most {most} characters"),
        )
        .with("max_length", most)
    }

    /// `most` is the limit and `found` the number of items.
    pub(super) fn too_many(most: usize, found: usize) -> Self {
        Self::plain(
            "too_long",
            format!("List should have at most {most} items after validation, not {found}"),
        )
        .with("max_length", most)
    }

    pub(super) fn not_of_pattern(pattern: &'static str) -> Self {
        Self::plain(
            "string_pattern_mismatch",
            format!("String should match pattern '{pattern}'"),
        )
        .with("pattern", pattern)
    }

    pub(super) fn not_a_list() -> Self {
        Self::plain("list_type", "Input should be a valid list")
    }

    pub(super) fn not_a_dictionary() -> Self {
        Self::plain("dict_type", "Input should be a valid dictionary")
    }

    pub(super) fn not_a_boolean() -> Self {
        Self::plain("bool_type", "Input should be a valid boolean")
    }

    pub(super) fn not_a_boolean_text() -> Self {
        Self::plain(
            "bool_parsing",
            "Input should be a valid boolean, unable to interpret input",
        )
    }

    pub(super) fn not_an_integer() -> Self {
        Self::plain("int_type", "Input should be a valid integer")
    }

    pub(super) fn fractional() -> Self {
        Self::plain(
            "int_from_float",
            "Input should be a valid integer, got a number with a fractional part",
        )
    }

    pub(super) fn not_an_integer_text() -> Self {
        Self::plain(
            "int_parsing",
            "Input should be a valid integer, unable to parse string as an integer",
        )
    }

    pub(super) fn below(least: i64) -> Self {
        Self::plain(
            "greater_than_equal",
            format!("Input should be greater than or equal to {least}"),
        )
        .with("ge", least)
    }

    pub(super) fn above(most: i64) -> Self {
        Self::plain(
            "less_than_equal",
            format!("Input should be less than or equal to {most}"),
        )
        .with("le", most)
    }

    pub(super) fn uuid_not_text() -> Self {
        Self::plain(
            "uuid_type",
            "UUID input should be a string, bytes or UUID object",
        )
    }

    pub(super) fn not_a_uuid(why: &str) -> Self {
        Self::plain(
            "uuid_parsing",
            format!("Input should be a valid UUID, {why}"),
        )
        .with("error", why)
    }

    pub(super) fn url_not_text() -> Self {
        Self::plain("url_type", "URL input should be a string or URL")
    }

    pub(super) fn not_a_url(why: &str) -> Self {
        Self::plain("url_parsing", format!("Input should be a valid URL, {why}")).with("error", why)
    }

    pub(super) fn insecure_url() -> Self {
        Self::plain(
            "url_scheme",
            "URL scheme should be 'https' ('http' for a loopback address only)",
        )
        .with("expected_schemes", "'https'")
    }

    /// `names` are in the order of the contract.
    pub(super) fn not_one_of(names: &[&str]) -> Self {
        let quoted: Vec<_> = names.iter().map(|name| format!("'{name}'")).collect();
        let expected = match quoted.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
            None => String::new(),
        };
        Self::plain("enum", format!("Input should be {expected}")).with("expected", expected)
    }

    /// What is wrong with a label.
    pub(super) fn of_label(error: LabelError) -> Self {
        match error {
            LabelError::TooLong => Self::too_long(LONGEST_LABEL),
            LabelError::Invisible => Self::rule(&error.to_string()),
        }
    }

    /// A rule that pydantic does not have, as one clause.
    pub(crate) fn rule(clause: &str) -> Self {
        Self::plain("value_error", format!("Value error, {clause}")).with("error", json!(clause))
    }
}
