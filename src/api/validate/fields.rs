//! Reads a request field by field and goes on after a fault.
//!
//! [`Fields`] is a body or a query; [`Place`] is one value of it and the way
//! there. What a value must be is said by the readers (`validate/readers.rs`).
//! The parsed tree may hold secrets: it is wiped when the reading ends. (The
//! bytes are their owner's to wipe; earlier values of a repeated member and
//! the JSON reader's own scratch space are out of reach.)

use serde_json::{Map, Value};
use url::form_urlencoded;
use zeroize::Zeroize as _;

use super::{Fault, Faults, Loc, Problem, echo};

/// A name that a caller made up is shown this far, in characters.
const NAME_LIMIT: usize = 64;

/// The fields of a request, and what was wrong with those read so far.
pub(crate) struct Fields {
    root: &'static str,
    members: Value,
    faults: Faults,
}

/// One value of a request, and where it stands.
pub(crate) struct Place<'a> {
    value: &'a Value,
    loc: Vec<Loc>,
    is_secret: bool,
    faults: &'a mut Faults,
}

impl Fields {
    /// The members of a JSON object. Of a repeated member the last counts.
    ///
    /// # Errors
    /// The one fault of a body that is empty, not JSON, or not an object.
    pub(crate) fn body(bytes: &[u8]) -> Result<Self, Faults> {
        let refuse = |loc: Vec<Loc>, problem, input| Err(fault(loc, problem, input).into());
        let body = || Loc::Name("body".to_owned());
        if bytes.is_empty() {
            return refuse(vec![body()], Problem::missing(), Some(Value::Null));
        }
        match serde_json::from_slice(bytes) {
            Ok(members @ Value::Object(_)) => Ok(Self::new("body", members)),
            Ok(mut other) => {
                // A text here is most often a whole body, encoded twice.
                let shown = if other.is_string() {
                    Some(echo::hidden())
                } else {
                    echo::echo(&other)
                };
                wipe(&mut other);
                refuse(vec![body()], Problem::not_an_object(), shown)
            }
            Err(error) => {
                let at = Loc::Index(offset(bytes, error.line(), error.column()));
                let input = Value::Object(Map::new());
                refuse(
                    vec![body(), at],
                    Problem::not_json(clause(&error)),
                    Some(input),
                )
            }
        }
    }

    /// The parameters of a query string. Of a repeated one the last counts.
    pub(crate) fn query(text: &str) -> Self {
        let parameters = form_urlencoded::parse(text.as_bytes())
            .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())));
        Self::new("query", parameters.collect())
    }

    /// The parameters of an authorization response (RFC 6749, section 3.1):
    /// one without a value counts as left out, a repeated one is a fault.
    pub(crate) fn authorization_response(text: &str) -> Self {
        let mut fields = Self::new("query", Value::Null);
        let mut parameters = Map::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if parameters.contains_key(name.as_ref()) {
                let problem = Problem::rule("the parameter is given more than once");
                fields.refuse(&name, problem.hiding_input());
            } else if !value.is_empty() {
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
            faults: Faults::default(),
        }
    }

    /// A field that must be there, as `read` understands it. `None` only
    /// after a fault.
    pub(crate) fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Place<'_>) -> Option<T>,
    ) -> Option<T> {
        if self.members.get(name).is_some() {
            return self.read(name, read);
        }
        // FastAPI shows the whole body here, and nothing for a query.
        let input = match self.root {
            "body" => echo::echo(&self.members),
            _ => Some(Value::Null),
        };
        let fault = fault(self.loc(name), Problem::missing(), input);
        self.faults.push(fault);
        None
    }

    /// A field that may be left out; null counts as left out.
    pub(crate) fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Place<'_>) -> Option<T>,
    ) -> Option<T> {
        match self.members.get(name) {
            None | Some(Value::Null) => None,
            Some(_) => self.read(name, read),
        }
    }

    /// A field that may be left out but not be null.
    pub(crate) fn present<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Place<'_>) -> Option<T>,
    ) -> Option<T> {
        self.members.get(name)?;
        self.read(name, read)
    }

    fn read<T>(&mut self, name: &str, read: impl FnOnce(&mut Place<'_>) -> Option<T>) -> Option<T> {
        let loc = self.loc(name);
        read(&mut Place {
            value: self.members.get(name)?,
            loc,
            is_secret: echo::is_secret(name),
            faults: &mut self.faults,
        })
    }

    /// Records a fault of the field `name` that only shows beside the others.
    pub(crate) fn refuse(&mut self, name: &str, problem: Problem) {
        let value = self.members.get(name).unwrap_or(&Value::Null);
        let shown = shown(value, problem.hides_input || echo::is_secret(name));
        let fault = fault(self.loc(name), problem, shown);
        self.faults.push(fault);
    }

    /// The request, if there was no fault; `request` puts it together.
    ///
    /// # Errors
    /// Every fault that was found.
    pub(crate) fn finish<T>(mut self, request: impl FnOnce() -> Option<T>) -> Result<T, Faults> {
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

impl<'a> Place<'a> {
    /// The value.
    pub(crate) fn value(&self) -> &'a Value {
        self.value
    }

    /// Records what is wrong with the value; always `None`, to be returned.
    pub(crate) fn refuse<T>(&mut self, problem: Problem) -> Option<T> {
        let shown = shown(self.value, problem.hides_input || self.is_secret);
        self.faults.push(fault(self.loc.clone(), problem, shown));
        None
    }

    /// Reads one item of this array.
    pub(super) fn item<T>(
        &mut self,
        index: usize,
        item: &Value,
        read: impl FnOnce(&mut Place<'_>) -> Option<T>,
    ) -> Option<T> {
        self.inner(Loc::Index(index), item, self.is_secret, read)
    }

    /// Reads one member of this object.
    pub(super) fn member<T>(
        &mut self,
        name: &str,
        member: &Value,
        read: impl FnOnce(&mut Place<'_>) -> Option<T>,
    ) -> Option<T> {
        let is_secret = self.is_secret || echo::is_secret(name);
        self.inner(named(name), member, is_secret, read)
    }

    fn inner<T>(
        &mut self,
        step: Loc,
        value: &Value,
        is_secret: bool,
        read: impl FnOnce(&mut Place<'_>) -> Option<T>,
    ) -> Option<T> {
        let mut loc = self.loc.clone();
        loc.push(step);
        read(&mut Place {
            value,
            loc,
            is_secret,
            faults: self.faults,
        })
    }
}

fn named(name: &str) -> Loc {
    Loc::Name(name.chars().take(NAME_LIMIT).collect())
}

fn shown(value: &Value, is_hidden: bool) -> Option<Value> {
    if is_hidden {
        Some(echo::hidden())
    } else {
        echo::echo(value)
    }
}

fn fault(loc: Vec<Loc>, problem: Problem, input: Option<Value>) -> Fault {
    Fault {
        loc,
        msg: problem.msg,
        kind: problem.kind.into(),
        input,
        ctx: problem
            .ctx
            .map(|(name, value)| Map::from_iter([(name.to_owned(), value)])),
    }
}

/// What `error` says, without the line and column that it ends on.
fn clause(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

/// The byte that a line and a column, both counted from 1, stand for.
fn offset(bytes: &[u8], line: usize, column: usize) -> usize {
    let before: usize = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .take(line.saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    (before + column.saturating_sub(1)).min(bytes.len())
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
