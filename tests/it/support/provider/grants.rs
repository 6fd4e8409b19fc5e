//! The grants of a provider, and its rules for refresh tokens.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use agent_authd::clock::{Clock as _, SystemClock};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::{CLIENT_ID, Rotation};
use crate::support::canary::MARKER;
use crate::support::clock::TestClock;

/// The tokens of a grant.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

#[derive(Debug)]
pub(super) struct Grants {
    /// The clock of the provider; `None` for the system clock.
    clock: Option<Arc<TestClock>>,
    rotation: Rotation,
    life: u64,
    issued: usize,
    families: Vec<Family>,
    codes: HashMap<String, Code>,
    /// Access tokens by their text.
    access: HashMap<String, Access>,
    refresh: HashMap<String, Refresh>,
    reuses: usize,
    /// The scopes that replies name.
    pub(super) scope: String,
    /// The account that replies name.
    pub(super) account: Option<String>,
}

#[derive(Debug)]
struct Family {
    is_revoked: bool,
}

#[derive(Debug)]
struct Code {
    redirect_uri: String,
    challenge: String,
}

#[derive(Debug)]
struct Access {
    family: usize,
    dies_at: Duration,
}

#[derive(Debug)]
struct Refresh {
    family: usize,
    /// When it was used, and the reply.
    spent: Option<(Duration, Value)>,
}

impl Grants {
    pub(super) fn new(rotation: Rotation, life: u64, clock: Option<Arc<TestClock>>) -> Self {
        Self {
            clock,
            rotation,
            life,
            issued: 0,
            families: Vec::new(),
            codes: HashMap::new(),
            access: HashMap::new(),
            refresh: HashMap::new(),
            reuses: 0,
            scope: "read".to_owned(),
            account: None,
        }
    }

    /// The uptime by the provider's clock.
    pub(super) fn now(&self) -> Duration {
        match &self.clock {
            Some(clock) => clock.uptime(),
            None => SystemClock.uptime(),
        }
    }

    /// The redirect of a person who consents at once (RFC 6749, section 4.1.2).
    pub(super) fn consent(&mut self, url: &Url) -> String {
        let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!(query["client_id"], CLIENT_ID);
        assert_eq!(query["response_type"], "code");
        assert_eq!(query["code_challenge_method"], "S256");
        let code = self.name("code");
        let mut redirect: Url = query["redirect_uri"].parse().unwrap();
        redirect
            .query_pairs_mut()
            .append_pair("code", &code)
            .append_pair("state", &query["state"]);
        let asked = Code {
            redirect_uri: query["redirect_uri"].clone(),
            challenge: query["code_challenge"].clone(),
        };
        self.codes.insert(code, asked);
        redirect.into()
    }

    /// The tokens for a code, which can be used once.
    pub(super) fn exchange(
        &mut self,
        code: &str,
        redirect_uri: &str,
        verifier: &str,
    ) -> Option<Value> {
        let asked = self.codes.remove(code)?;
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
        if asked.redirect_uri != redirect_uri || asked.challenge != challenge {
            return None;
        }
        let Pair { access, refresh } = self.issue();
        Some(self.reply(&access, Some(&refresh)))
    }

    /// New tokens for a refresh token, by the rules of the rotation.
    pub(super) fn refresh(&mut self, given: &str) -> Option<Value> {
        let Refresh { family, spent } = self.refresh.get(given)?;
        let family = *family;
        if self.families[family].is_revoked {
            self.reuses += usize::from(spent.is_some());
            return None;
        }
        if let Some((at, reply)) = spent {
            if matches!(self.rotation, Rotation::Grace(grace) if self.now() <= *at + grace) {
                return Some(reply.clone());
            }
            self.reuses += 1;
            self.families[family].is_revoked = true;
            return None;
        }
        let access = self.new_access(family);
        if self.rotation == Rotation::None {
            return Some(self.reply(&access, None));
        }
        let refresh = self.new_refresh(family);
        let reply = self.reply(&access, Some(&refresh));
        let now = self.now();
        let spent = self.refresh.get_mut(given)?;
        spent.spent = Some((now, reply.clone()));
        Some(reply)
    }

    /// The first tokens of a new grant.
    pub(super) fn issue(&mut self) -> Pair {
        let family = self.families.len();
        self.families.push(Family { is_revoked: false });
        Pair {
            access: self.new_access(family),
            refresh: self.new_refresh(family),
        }
    }

    pub(super) fn accepts(&self, access: &str) -> bool {
        self.access.get(access).is_some_and(|token| {
            self.now() < token.dies_at && !self.families[token.family].is_revoked
        })
    }

    /// Revokes one token and keeps the rest of its grant.
    pub(super) fn revoke(&mut self, token: &str) {
        self.access.remove(token);
        self.refresh.remove(token);
    }

    /// Whether no usable token is left.
    pub(super) fn has_nothing_left(&self) -> bool {
        let is_over = |family: usize| self.families[family].is_revoked;
        let spent = |token: &Refresh| token.spent.is_some() || is_over(token.family);
        self.access.values().all(|token| is_over(token.family)) && self.refresh.values().all(spent)
    }

    pub(super) fn reuses(&self) -> usize {
        self.reuses
    }

    pub(super) fn revoke_all(&mut self) {
        for family in &mut self.families {
            family.is_revoked = true;
        }
    }

    fn new_access(&mut self, family: usize) -> String {
        let name = self.name("access");
        let dies_at = self.now() + Duration::from_secs(self.life);
        self.access.insert(name.clone(), Access { family, dies_at });
        name
    }

    fn new_refresh(&mut self, family: usize) -> String {
        let name = self.name("refresh");
        let token = Refresh {
            family,
            spent: None,
        };
        self.refresh.insert(name.clone(), token);
        name
    }

    fn name(&mut self, kind: &str) -> String {
        self.issued += 1;
        format!("{MARKER}-{kind}-{}", self.issued)
    }

    fn reply(&self, access: &str, refresh: Option<&str>) -> Value {
        let mut reply = json!({
            "access_token": access, "token_type": "Bearer",
            "expires_in": self.life, "scope": self.scope,
        });
        if let Some(account) = &self.account {
            reply["username"] = json!(account);
        }
        if let Some(refresh) = refresh {
            reply["refresh_token"] = json!(refresh);
        }
        reply
    }
}
