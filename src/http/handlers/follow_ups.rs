//! The follow-up question of a login, for callers without a browser. (Not in the
//! contract.)

use super::super::call::Call;
use super::super::reply::{self, Answer};
use crate::api::replies::FollowUpResponse;
use crate::api::requests::FollowUpRequest;
use crate::broker::{Missing, RenewedAccount};

pub(in crate::http) async fn show_follow_up(call: Call) -> Answer {
    let (owner, flow) = (call.peer.owner, call.flow_id(Missing::CompletedLogin)?);
    reply::ok(&response(
        &call
            .broker
            .logins()
            .follow_ups()
            .renewed_account(owner, flow)?,
    ))
}

pub(in crate::http) async fn answer_follow_up(call: Call) -> Answer {
    let request = FollowUpRequest::from_json(&call.body)?;
    let (owner, flow) = (call.peer.owner, call.flow_id(Missing::CompletedLogin)?);
    let stored = call
        .broker
        .logins()
        .follow_ups()
        .answer_renewed_account(owner, flow, request.same_account)
        .await?;
    reply::ok(&response(&stored))
}

fn response(account: &RenewedAccount) -> FollowUpResponse {
    FollowUpResponse {
        asks_same_account: account.is_asked,
        same_account: account.is_same,
        previous: account.previous.as_ref().map(Into::into),
        current: (&account.current).into(),
    }
}
