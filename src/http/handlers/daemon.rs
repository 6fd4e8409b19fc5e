//! The state of the daemon.

use std::os::unix::ffi::OsStrExt as _;

use hyper::StatusCode;
use hyper::header::HeaderValue;
use serde_json::json;

use super::super::call::Call;
use super::super::reply::{self, Answer};
use crate::advice;
use crate::api;
use crate::api::replies::{Health, Info};
use crate::metrics::{self, Gauge};

pub(in crate::http) async fn ok(_: Call) -> Answer {
    reply::ok(&json!({ "ok": true }))
}

pub(in crate::http) async fn info(call: Call) -> Answer {
    let counts = call.broker.counts(Some(call.peer.owner))?;
    let maintenance = call.broker.maintenance();
    let degraded_reason = maintenance
        .trouble()
        .map(|why| why + &advice::for_trouble(maintenance));
    reply::ok(&Info {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        status: if degraded_reason.is_none() {
            Health::Ok
        } else {
            Health::Degraded
        },
        degraded_reason,
        redirect_base: call.broker.redirect_base().to_owned(),
        providers: counts.providers,
        tokens: counts.tokens,
        flows_pending: counts.flows_pending,
        unreadable_rows: call.broker.maintenance().unreadable_rows(call.peer.owner) as u64,
        features: api::FEATURES.iter().copied().map(str::to_owned).collect(),
    })
}

/// The caller's counts; for root, those of all owners.
pub(in crate::http) async fn metrics(call: Call) -> Answer {
    let owner = (call.peer.uid != 0).then_some(call.peer.owner);
    let counts = call.broker.counts(owner)?;
    let is_degraded = call.broker.maintenance().trouble().is_some();
    let gauges = [
        ("providers", "Providers stored.", counts.providers),
        ("tokens", "Tokens stored.", counts.tokens),
        (
            "flows_pending",
            "Flows that wait for a person.",
            counts.flows_pending,
        ),
        (
            "degraded",
            "1 while nothing can be stored.",
            u64::from(is_degraded),
        ),
    ];
    let gauges = gauges.map(|(name, help, value)| Gauge { name, help, value });
    let text = call.broker.metrics().text(owner, &gauges);
    Ok(reply::text(metrics::CONTENT_TYPE, text))
}

/// The vault's file, with sealed secrets. It contains the rows of all owners, so only
/// root and the daemon's own account get it.
pub(in crate::http) async fn vault(call: Call) -> Answer {
    if ![0, nix::unistd::geteuid().as_raw()].contains(&call.peer.uid) {
        let why = "only root and the daemon's own account may copy the vault";
        return Err(reply::Error::status(StatusCode::FORBIDDEN, why));
    }
    let (folder, copy) = call.broker.maintenance().copy_vault().await?;
    let mut answer = reply::text("application/vnd.sqlite3", copy);
    if let Ok(folder) = HeaderValue::from_bytes(folder.as_os_str().as_bytes()) {
        answer.headers_mut().insert(api::FOLDER_HEADER, folder);
    }
    Ok(answer)
}

pub(in crate::http) async fn openapi(_: Call) -> Answer {
    Ok(reply::text("application/json", api::DOCUMENT))
}
