//! The daemon about itself.

use serde_json::json;

use super::super::reply::{self, Answer};
use super::super::request::Call;
use crate::api::replies::{Health, Info};

pub(in crate::http) async fn ok(_: Call) -> Answer {
    reply::ok(&json!({ "ok": true }))
}

pub(in crate::http) async fn info(call: Call) -> Answer {
    let counts = call.broker.counts(call.peer.owner)?;
    let degraded_reason = call.broker.trouble();
    reply::ok(&Info {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        status: if degraded_reason.is_none() {
            Health::Ok
        } else {
            Health::Degraded
        },
        degraded_reason,
        redirect_base: call.broker.redirect_base().to_owned(),
        providers: counts.providers.into(),
        tokens: counts.tokens.into(),
        flows_pending: counts.flows_pending.into(),
    })
}
