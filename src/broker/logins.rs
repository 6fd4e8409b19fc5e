//! Logins: everything between the moment a person is needed and the end of the
//! flow that waits for them.
//!
//! [`Logins`] uses the refresher and the revoker, and nothing of the components
//! above it (tokens, agents, providers).

mod begin;
mod browser_links;
mod callback;
mod consent;
mod ending;
mod exchange;
mod follow_ups;
mod grants;
mod refusal;
mod renewed_account;
mod wait;
mod waiters;

use std::sync::Arc;

use self::browser_links::BrowserLinks;
use self::consent::Consent;
use self::follow_ups::FollowUps;
use self::waiters::Waiters;
use super::context::Context;
use super::provider_lookup::ProviderLookup;
use super::refresher::Refresher;
use super::revoker::Revoker;
use crate::identity::FlowId;

pub(super) use self::begin::AuthorizationRequired;
pub(super) use self::begin::NewFlow;
pub use self::browser_links::{BROWSER_LINK_PATH, Followed};
pub use self::consent::{Answered, ConsentQuestion, Consented, OfferedAccount};
pub use self::ending::{Ended, Outcome};
pub use self::follow_ups::{FollowUp, Notice};
pub use self::refusal::is_own_error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::refusal::refusal;
pub use self::renewed_account::RenewedAccount;
pub use self::wait::Waited;

/// Logs people in; clones share its state.
#[derive(Clone, Debug)]
pub struct Logins {
    context: Arc<Context>,
    providers: Arc<ProviderLookup>,
    revoker: Revoker,
    refresher: Refresher,
    waiters: Arc<Waiters>,
    browser_links: Arc<BrowserLinks>,
}

impl Logins {
    pub(super) fn new(
        context: Arc<Context>,
        providers: Arc<ProviderLookup>,
        revoker: Revoker,
        refresher: Refresher,
    ) -> Self {
        Self {
            waiters: Arc::new(Waiters::new(context.settings.max_waiters)),
            browser_links: Arc::default(),
            context,
            providers,
            revoker,
            refresher,
        }
    }

    /// The consent pages.
    #[must_use]
    pub fn consent(&self) -> Consent<'_> {
        Consent(self)
    }

    /// What is left to tell and to ask after logins.
    #[must_use]
    pub fn follow_ups(&self) -> FollowUps<'_> {
        FollowUps(self)
    }

    /// Wakes the calls that wait for flows which were deleted with their provider.
    pub(super) fn wake(&self, flows: impl IntoIterator<Item = FlowId>) {
        flows.into_iter().for_each(|flow| self.waiters.wake(flow));
    }
}
