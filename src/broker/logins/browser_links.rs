//! Short local addresses that start a browser on a login.
//!
//! A command line can be read by every user of the machine (proc_pid_cmdline(5)),
//! and a browser is started with its address on one. So it is started on an
//! address of the daemon's own that holds no `state`, works once, and only for a
//! browser of the owner's.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::Logins;
use crate::broker::{Error, Missing};
use crate::clock::Timestamp;
use crate::flow::Status;
use crate::identity::{FlowId, Owner};

/// Where the links are, under the redirect base; the link's token follows.
pub const BROWSER_LINK_PATH: &str = "/go/";

/// How long a link works: a browser that starts cold on a busy
/// machine takes less.
const LIFETIME: Duration = Duration::from_secs(120);

/// Links of one owner at a time; a new one replaces the oldest.
const MAX_PER_OWNER: usize = 32;

/// A link for one browser, once.
#[derive(Clone, Debug)]
pub struct BrowserLink {
    /// The address.
    pub url: String,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// The target of a link.
#[derive(Debug)]
pub enum Followed {
    /// To the provider, or to the consent page.
    RedirectToProvider(String),
    /// The flow has ended meanwhile.
    Finished(FlowId),
}

/// The SHA-256 of a link's token: looking it up takes no longer for a guess that
/// is nearly right.
type Digest = [u8; 32];

/// The links that have not been followed. Forgotten at a restart: the person
/// starts the login again, or opens the address that was printed.
#[derive(Debug, Default)]
pub(super) struct BrowserLinks(Mutex<HashMap<Digest, Pending>>);

#[derive(Clone, Copy, Debug)]
struct Pending {
    owner: Owner,
    flow: FlowId,
    expires_at: Timestamp,
}

impl BrowserLinks {
    fn add(&self, token: &str, link: Pending, now: Timestamp) {
        let mut links = self.lock();
        links.retain(|_, pending| pending.expires_at > now);
        let own = links.iter().filter(|(_, other)| other.owner == link.owner);
        let (count, oldest) = (
            own.clone().count(),
            own.min_by_key(|(_, other)| other.expires_at),
        );
        let oldest = oldest
            .filter(|_| count >= MAX_PER_OWNER)
            .map(|(digest, _)| *digest);
        if let Some(oldest) = oldest {
            links.remove(&oldest);
        }
        links.insert(digest(token), link);
    }

    /// Takes a link out; `None` if there is none, or it is another's than
    /// `owner`'s, which leaves it there.
    fn take(&self, token: &str, owner: Option<Owner>, now: Timestamp) -> Option<Pending> {
        let mut links = self.lock();
        let digest = digest(token);
        let link = *links.get(&digest)?;
        if owner.is_some_and(|owner| owner != link.owner) {
            return None;
        }
        links.remove(&digest);
        (link.expires_at > now).then_some(link)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Pending>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn digest(token: &str) -> Digest {
    Sha256::digest(token).into()
}

impl Logins {
    /// Makes a link to one of the owner's pending flows, for a browser.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the owner has no such flow, or it does not wait for
    /// a person any more.
    pub fn browser_link(&self, owner: Owner, flow: FlowId) -> Result<BrowserLink, Error> {
        let now = self.context.env.now();
        let stored = self.context.vault.read(|view| view.flow(owner, flow))?;
        let is_pending = stored.is_some_and(|stored| stored.flow.status_at(now) == Status::Pending);
        if !is_pending {
            return Err(Missing::PendingLogin.into());
        }
        let token = self.context.env.token();
        let expires_at = now.plus(LIFETIME);
        let link = Pending {
            owner,
            flow,
            expires_at,
        };
        self.browser_links.add(&token, link, now);
        Ok(BrowserLink {
            url: format!(
                "{}{BROWSER_LINK_PATH}{token}",
                self.context.settings.redirect_base
            ),
            expires_at,
        })
    }

    /// Follows a link, which is then used up. `None` if it is unknown, used, expired,
    /// or another owner's than `owner` (`None` for a browser whose owner is unknown).
    ///
    /// # Errors
    /// [`Error::NotFound`] if the flow's provider is gone, [`Error::Vault`].
    pub fn follow_browser_link(
        &self,
        owner: Option<Owner>,
        token: &str,
    ) -> Result<Option<Followed>, Error> {
        let now = self.context.env.now();
        let Some(link) = self.browser_links.take(token, owner, now) else {
            return Ok(None);
        };
        let found = self
            .context
            .vault
            .read(|view| view.flow(link.owner, link.flow))?;
        let Some(stored) = found else {
            return Ok(None);
        };
        if stored.flow.status_at(now) != Status::Pending {
            return Ok(Some(Followed::Finished(link.flow)));
        }
        let provider = self.providers.referred(link.owner, &stored.flow.provider)?;
        let url = self.flow_url(&provider, &stored)?;
        Ok(Some(Followed::RedirectToProvider(url)))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_millis(0)
    }

    fn pending(uid: u32, expires_in: i64) -> Pending {
        Pending {
            owner: Owner::from_uid(uid).unwrap(),
            flow: FlowId::new(Uuid::nil()),
            expires_at: now().plus_seconds(expires_in),
        }
    }

    #[test]
    fn a_link_works_once_and_in_time() {
        let links = BrowserLinks::default();
        links.add("a", pending(1, 120), now());
        assert!(links.take("b", None, now()).is_none());
        assert!(links.take("a", None, now()).is_some());
        assert!(links.take("a", None, now()).is_none());
        links.add("a", pending(1, 120), now());
        assert!(links.take("a", None, now().plus_seconds(120)).is_none());
    }

    #[test]
    fn another_owners_browser_does_not_use_a_link_up() {
        let links = BrowserLinks::default();
        links.add("a", pending(1, 120), now());
        assert!(links.take("a", Owner::from_uid(2), now()).is_none());
        assert!(links.take("a", Owner::from_uid(1), now()).is_some());
    }

    #[test]
    fn an_owners_links_are_bounded_and_leave_the_others_theirs() {
        let links = BrowserLinks::default();
        links.add("other", pending(2, 1), now());
        for number in 0..=MAX_PER_OWNER {
            let lifetime = i64::try_from(number).unwrap() + 1;
            links.add(&number.to_string(), pending(1, lifetime), now());
        }
        assert_eq!(links.lock().len(), MAX_PER_OWNER + 1);
        assert!(links.take("0", None, now()).is_none());
        assert!(links.take("1", None, now()).is_some());
        assert!(links.take("other", None, now()).is_some());
    }
}
