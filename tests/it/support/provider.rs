//! A strict OAuth provider on 127.0.0.1: issues codes at once, checks PKCE and the
//! client, rotates refresh tokens and fails as configured, and records all requests.
//!
//! It implements HTTP itself, because it must be able to close connections in the
//! middle of a response. It uses its own threads, so that a test's runtime cannot
//! block it.

mod answer;
mod failure;
mod grants;
mod serve;

use std::collections::{HashMap, VecDeque};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use agent_authd::client::{NewProvider, TokenImport};
use agent_authd::identity::{ProviderId, Scopes};
use agent_authd::secret::{AccessToken, ClientSecret, RefreshToken};

pub(crate) use self::failure::Failure;
use self::grants::Grants;
pub(crate) use self::grants::Pair;
use self::serve::accept;
use super::clock::TestClock;

/// The registered client.
pub(crate) const CLIENT_ID: &str = "client";
pub(crate) const CLIENT_SECRET: &str = "canary-client-secret";

/// The provider id in the daemons under test.
pub(crate) const PROVIDER_ID: &str = "strict";

/// What happens to a refresh token when it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rotation {
    /// It stays valid, and no new one is issued.
    None,
    /// It becomes invalid. A second use ends the whole grant, with its access tokens.
    Strict,
    /// It becomes invalid, but within this time a second use gets the same reply.
    Grace(Duration),
}

/// One request to the token endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) at: Instant,
    /// The time by the provider's clock.
    pub(crate) uptime: Duration,
    pub(crate) form: HashMap<String, String>,
    pub(crate) authorization: Option<String>,
}

impl Request {
    pub(crate) fn is_refresh(&self) -> bool {
        self.form.get("grant_type").map(String::as_str) == Some("refresh_token")
    }
}

/// A provider that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Provider {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    is_over: AtomicBool,
    state: Mutex<State>,
    /// Notified when `is_held` or `revocations_are_held` in the state has changed.
    released: Condvar,
}

#[derive(Debug)]
struct State {
    grants: Grants,
    /// Whether its metadata names a revocation endpoint.
    revokes: bool,
    /// How long a revocation takes.
    revocation_time: Duration,
    /// The number of revocation requests.
    revocations: usize,
    /// Whether revocations wait until they are released.
    revocations_are_held: bool,
    requests: Vec<Request>,
    /// For the next requests to the token endpoint, one each.
    faults: VecDeque<Failure>,
    /// For every request after `faults`.
    lasting_fault: Option<Failure>,
    /// For every request with one of these refresh tokens.
    refused: HashMap<String, Failure>,
    /// Whether the token endpoint holds its replies.
    is_held: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Waits until `is_held` is false.
    fn wait_while(&self, is_held: impl Fn(&State) -> bool) {
        let released = self
            .released
            .wait_while(self.state(), |state| is_held(state));
        drop(released.unwrap());
    }
}

impl Provider {
    /// Starts a provider whose access tokens live this many seconds.
    pub(crate) fn start(rotation: Rotation, life: u64) -> Self {
        Self::of(Grants::new(rotation, life, None))
    }

    /// Starts a provider whose access tokens live an hour by the test's clock.
    pub(crate) fn start_by(clock: &Arc<TestClock>, rotation: Rotation) -> Self {
        Self::of(Grants::new(rotation, 3600, Some(Arc::clone(clock))))
    }

    fn of(grants: Grants) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = Arc::new(Shared {
            address: listener.local_addr().unwrap(),
            is_over: AtomicBool::new(false),
            state: Mutex::new(State {
                grants,
                revokes: false,
                revocation_time: Duration::ZERO,
                revocations: 0,
                revocations_are_held: false,
                requests: Vec::new(),
                faults: VecDeque::new(),
                lasting_fault: None,
                refused: HashMap::new(),
                is_held: false,
            }),
            released: Condvar::new(),
        });
        accept(&shared, listener);
        Self { shared }
    }

    /// Rejects every connection from now on.
    pub(crate) fn go_away(&self) {
        self.shared.is_over.store(true, Ordering::Release);
        // Wakes the accepting thread, which drops the listener.
        while TcpStream::connect(self.shared.address).is_ok() {
            std::thread::yield_now();
        }
    }

    /// Accepts connections again.
    pub(crate) fn come_back(&self) {
        self.shared.is_over.store(false, Ordering::Release);
        let listener = TcpListener::bind(self.shared.address).unwrap();
        accept(&self.shared, listener);
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.shared.address)
    }

    /// The provider as it is created in a daemon.
    pub(crate) fn registration(&self) -> NewProvider {
        NewProvider {
            provider_id: ProviderId::parse(PROVIDER_ID).unwrap(),
            name: "Strict".to_owned(),
            client_id: CLIENT_ID.to_owned(),
            client_secret: Some(ClientSecret::new(CLIENT_SECRET)),
            auth_url: self.url("/authorize"),
            token_url: self.url("/token"),
            uses_pkce: None,
            provider_type: None,
            token_endpoint_auth_method: None,
            authorization_params: Default::default(),
            allowed_redirect_uris: Vec::new(),
        }
    }

    /// A new grant, as after a consent.
    pub(crate) fn grant(&self) -> Pair {
        self.shared.state().grants.issue()
    }

    /// The import of a new grant that expires in `left` seconds.
    pub(crate) fn import(&self, left: u64) -> TokenImport {
        Self::import_of(self.grant(), left)
    }

    /// The import of a grant that expires in `left` seconds.
    pub(crate) fn import_of(grant: Pair, left: u64) -> TokenImport {
        let Pair { access, refresh } = grant;
        TokenImport {
            provider_id: ProviderId::parse(PROVIDER_ID).unwrap(),
            access_token: AccessToken::new(access),
            refresh_token: Some(RefreshToken::new(refresh)),
            expires_in_seconds: Some(left),
            scopes: Scopes::new(["read"]),
        }
    }

    /// Makes the next request to the token endpoint fail, after those of earlier
    /// calls.
    pub(crate) fn fail_next(&self, fault: Failure) {
        self.shared.state().faults.push_back(fault);
    }

    /// Makes every request to the token endpoint fail; `None` ends that.
    pub(crate) fn fail_always(&self, fault: Option<Failure>) {
        let mut state = self.shared.state();
        state.faults.clear();
        state.lasting_fault = fault;
    }

    /// Makes every refresh of one grant fail while it has this refresh token.
    pub(crate) fn fail_for(&self, grant: &Pair, fault: Failure) {
        let mut state = self.shared.state();
        state.refused.insert(grant.refresh.clone(), fault);
    }

    /// Delays the reply to every request to the token endpoint.
    pub(crate) fn answer_late(&self, wait: Duration) {
        self.fail_always(Some(Failure::Late(wait)));
    }

    /// Holds the replies of the token endpoint until [`Self::release_answers`].
    pub(crate) fn hold_answers(&self) {
        self.shared.state().is_held = true;
    }

    /// Sends the held replies.
    pub(crate) fn release_answers(&self) {
        self.shared.state().is_held = false;
        self.shared.released.notify_all();
    }

    /// Sets the account that consents from now on.
    pub(crate) fn name_account(&self, account: &str) {
        self.shared.state().grants.account = Some(account.to_owned());
    }

    /// Sets the scopes that replies name from now on.
    pub(crate) fn spell_scopes(&self, scopes: &str) {
        self.shared.state().grants.scope = scopes.to_owned();
    }

    /// Supports revocation from now on, and names the endpoint in its metadata.
    pub(crate) fn offer_revocation(&self) {
        self.shared.state().revokes = true;
    }

    /// Supports revocation; each takes this long.
    pub(crate) fn revoke_within(&self, time: Duration) {
        let mut state = self.shared.state();
        (state.revokes, state.revocation_time) = (true, time);
    }

    /// Supports revocation; requests wait until [`Self::release_revocations`].
    pub(crate) fn hold_revocations(&self) {
        let mut state = self.shared.state();
        (state.revokes, state.revocations_are_held) = (true, true);
    }

    /// Processes the held revocations.
    pub(crate) fn release_revocations(&self) {
        self.shared.state().revocations_are_held = false;
        self.shared.released.notify_all();
    }

    /// The number of revocation requests.
    pub(crate) fn revocations(&self) -> usize {
        self.shared.state().revocations
    }

    /// Every request to the token endpoint so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.state().requests.clone()
    }

    /// The number of refresh requests.
    pub(crate) fn refreshes(&self) -> usize {
        let state = self.shared.state();
        state.requests.iter().filter(|r| r.is_refresh()).count()
    }

    /// How often an invalid refresh token was used again, outside a grace period.
    pub(crate) fn reuses(&self) -> usize {
        self.shared.state().grants.reuses()
    }

    /// Whether an access token would be accepted now.
    pub(crate) fn accepts(&self, access: &str) -> bool {
        self.shared.state().grants.accepts(access)
    }

    /// Whether all grants have ended or all their tokens are revoked.
    pub(crate) fn has_nothing_left(&self) -> bool {
        self.shared.state().grants.has_nothing_left()
    }

    /// Ends every grant, as a person can do in the settings of an account.
    pub(crate) fn revoke_all(&self) {
        self.shared.state().grants.revoke_all();
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(self.shared.address);
    }
}
