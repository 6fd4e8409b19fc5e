//! What is wrong with a request, in the words of FastAPI and pydantic: the
//! body of a 422 answer.
//!
//! A reader (`validate/fields.rs`) goes on after a fault, so that one answer
//! names them all. The value at fault is echoed back, as FastAPI does, but
//! never one that may be a secret, and never a large one (`validate/echo.rs`).

mod echo;
mod fields;
mod problem;
mod readers;

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(crate) use echo::without_secrets;
pub(crate) use fields::{Fields, Place};
pub(crate) use problem::Problem;
pub(crate) use readers::{
    choice, endpoint, flag, list, object, present, provider_id, redirect_uri, scopes, seconds,
    text, text_map, token_id, whole_number,
};

/// Every fault of one request: `{"detail": [ … ]}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Faults {
    /// The faults, in the order in which the fields were read.
    pub detail: Vec<Fault>,
}

/// One fault of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// Where: `body` or `query` first, then the way to the value.
    pub loc: Vec<Loc>,
    /// What is wrong, for a person.
    pub msg: String,
    /// What is wrong, for a program: pydantic's error type.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// The value at fault, without secrets; left out when it is large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// The particulars that `msg` names, for a program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ctx: Option<Map<String, Value>>,
}

/// One step of the way to a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Loc {
    /// A place in an array, or in the text of a body that is not JSON.
    Index(usize),
    /// A member of an object.
    Name(String),
}

impl Faults {
    /// A request repeats itself at most this often in its answer: 64 KiB of
    /// commas could else be answered with megabytes.
    const LIMIT: usize = 100;

    fn push(&mut self, fault: Fault) {
        if self.detail.len() < Self::LIMIT {
            self.detail.push(fault);
        }
    }

    fn is_empty(&self) -> bool {
        self.detail.is_empty()
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self {
            detail: vec![fault],
        }
    }
}

/// One line, without the echoed input: `body.provider: Field required; …`.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.detail.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
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

impl std::error::Error for Faults {}

#[cfg(test)]
mod tests;
