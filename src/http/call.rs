//! One call of an operation, as its handler gets it.

use std::sync::Arc;

use hyper::body::Bytes;

use super::Peer;
use super::reply::Error;
use super::response_budget::ResponseBudget;
use crate::api::requests::identifiers;
use crate::broker::{Broker, Missing};
use crate::identity::{FlowId, ProviderId};

/// One call of an operation.
pub(super) struct Call {
    pub(super) broker: Broker,
    pub(super) budget: Arc<ResponseBudget>,
    pub(super) peer: Peer,
    pub(super) query: String,
    pub(super) body: Bytes,
    /// The percent-decoded parameters of the path, in order.
    pub(super) parameters: Vec<String>,
}

impl Call {
    /// The parameter of the path at `index`; empty if the route has fewer.
    pub(super) fn parameter(&self, index: usize) -> &str {
        self.parameters.get(index).map_or("", String::as_str)
    }

    /// The provider that the path names at `index`.
    ///
    /// # Errors
    /// That there is none, for a name that no provider can have.
    pub(super) fn provider_id(&self, index: usize) -> Result<ProviderId, Error> {
        Ok(identifiers::provider(self.parameter(index))?)
    }

    /// The flow that the path names; where it cannot be one, `missing` is the
    /// answer.
    pub(super) fn flow_id(&self, missing: Missing) -> Result<FlowId, Error> {
        Ok(identifiers::flow(self.parameter(0), missing)?)
    }
}
