//! The login names of owners, which stand in for a `user_id` that is left out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use nix::unistd::{Uid, User};

use crate::identity::{Owner, UserId};

/// Login names, each looked up once: the system may ask a directory server.
#[derive(Debug, Default)]
pub(super) struct LoginNames(Mutex<HashMap<Owner, UserId>>);

impl LoginNames {
    /// The owner's login name; `uid-1000` for one that the system has no name
    /// for.
    pub(super) fn login_name(&self, owner: Owner) -> UserId {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(owner).or_insert_with(|| look_up(owner)).clone()
    }
}

fn look_up(owner: Owner) -> UserId {
    let user = User::from_uid(Uid::from_raw(owner.uid())).ok().flatten();
    let name = user.map_or_else(|| format!("uid-{owner}"), |user| user.name);
    UserId::parse(&name).unwrap_or_else(|| unreachable!("neither form of a name is empty"))
}
