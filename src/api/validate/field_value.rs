//! One value of a request with its location. A reader (`validate/readers.rs`)
//! converts it or records an error.
//!
//! Whether the value may be secret is known from the names in its location. Secret
//! values are never echoed.

use serde_json::{Map, Value};

use super::{FieldError, FieldErrors, Loc, Problem, echo};
use crate::secret::names;

/// The longest part of a member name that is shown, in characters.
const NAME_LIMIT: usize = 64;

/// One value of a request with its location.
pub(crate) struct FieldValue<'a> {
    value: &'a Value,
    loc: Vec<Loc>,
    is_secret: bool,
    faults: &'a mut FieldErrors,
}

impl<'a> FieldValue<'a> {
    /// The value of the field `name`, at `loc`.
    pub(super) fn new(
        name: &str,
        value: &'a Value,
        loc: Vec<Loc>,
        faults: &'a mut FieldErrors,
    ) -> Self {
        Self {
            value,
            loc,
            is_secret: names::is_secret(name),
            faults,
        }
    }

    /// The value.
    pub(crate) fn value(&self) -> &'a Value {
        self.value
    }

    /// Records an error of the value. Always returns `None`.
    pub(crate) fn refuse<T>(&mut self, problem: Problem) -> Option<T> {
        let shown = shown(self.value, problem.hides_input || self.is_secret);
        self.faults.push(fault(self.loc.clone(), problem, shown));
        None
    }

    /// Reads an item of this array.
    pub(super) fn item<T>(
        &mut self,
        index: usize,
        item: &Value,
        read: impl FnOnce(&mut FieldValue<'_>) -> Option<T>,
    ) -> Option<T> {
        self.inner(Loc::Index(index), item, self.is_secret, read)
    }

    /// Reads a member of this object.
    pub(super) fn member<T>(
        &mut self,
        name: &str,
        member: &Value,
        read: impl FnOnce(&mut FieldValue<'_>) -> Option<T>,
    ) -> Option<T> {
        let is_secret = self.is_secret || names::is_secret(name);
        self.inner(named(name), member, is_secret, read)
    }

    fn inner<T>(
        &mut self,
        step: Loc,
        value: &Value,
        is_secret: bool,
        read: impl FnOnce(&mut FieldValue<'_>) -> Option<T>,
    ) -> Option<T> {
        let mut loc = self.loc.clone();
        loc.push(step);
        read(&mut FieldValue {
            value,
            loc,
            is_secret,
            faults: self.faults,
        })
    }
}

/// A location step with a name that the caller may have chosen.
pub(super) fn named(name: &str) -> Loc {
    Loc::Name(name.chars().take(NAME_LIMIT).collect())
}

/// The value as an error may echo it.
pub(super) fn shown(value: &Value, is_hidden: bool) -> Option<Value> {
    if is_hidden {
        Some(echo::hidden())
    } else {
        echo::echo(value)
    }
}

/// The error for `problem` at `loc`.
pub(super) fn fault(loc: Vec<Loc>, problem: Problem, input: Option<Value>) -> FieldError {
    FieldError {
        loc,
        msg: problem.msg,
        kind: problem.kind.into(),
        input,
        ctx: problem
            .ctx
            .map(|(name, value)| Map::from_iter([(name.to_owned(), value)])),
    }
}
