//! The operations: parse the request, run the use case, write the reply.

pub(super) mod agents;
pub(super) mod auth;
pub(super) mod daemon;
pub(super) mod follow_ups;
pub(super) mod providers;
pub(super) mod tokens;
