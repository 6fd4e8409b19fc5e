//! A strict OAuth provider on 127.0.0.1: grants codes at once, checks PKCE and
//! the client, rotates refresh tokens as it is told to, fails as it is told
//! to, and remembers everything it was asked.
//!
//! It speaks HTTP by hand, since half of its work is to break off in the
//! middle. It has threads of its own, so that no test's runtime can stall it.

mod answer;
mod fault;
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

pub(crate) use self::fault::FieldError;
use self::grants::Grants;
pub(crate) use self::grants::Pair;
use self::serve::accept;
use super::clock::TestClock;

/// The client that is registered.
pub(crate) const CLIENT_ID: &str = "client";
pub(crate) const CLIENT_SECRET: &str = "canary-client-secret";

/// The identifier by which the tests' daemons know it.
pub(crate) const PROVIDER_ID: &str = "strict";

/// What becomes of a refresh token that is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rotation {
    /// It stays good, and no other is given.
    None,
    /// It is spent; a second use ends the whole grant, access tokens too.
    Strict,
    /// It is spent, but for this long a second use gets the same answer again.
    Grace(Duration),
}

/// One request to the token endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) at: Instant,
    /// The same by the clock that the provider lives by.
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
    /// How long a revocation takes; it is done at its end.
    revocation_time: Duration,
    /// How many revocations were asked for.
    revocations: usize,
    /// Whether revocations are not begun for now.
    revocations_are_held: bool,
    requests: Vec<Request>,
    /// For the next requests to the token endpoint, one each.
    faults: VecDeque<FieldError>,
    /// For every request once `faults` has run dry.
    lasting_fault: Option<FieldError>,
    /// For every request with one of these refresh tokens.
    refused: HashMap<String, FieldError>,
    /// Whether the token endpoint keeps its answers back.
    is_held: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Returns once what the state keeps back is released.
    fn wait_while(&self, is_held: impl Fn(&State) -> bool) {
        let released = self
            .released
            .wait_while(self.state(), |state| is_held(state));
        drop(released.unwrap());
    }
}

impl Provider {
    /// One whose access tokens live this many seconds.
    pub(crate) fn start(rotation: Rotation, life: u64) -> Self {
        Self::of(Grants::new(rotation, life, None))
    }

    /// One whose access tokens live an hour by a clock that the test moves.
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

    /// Refuses every connection from now on.
    pub(crate) fn go_away(&self) {
        self.shared.is_over.store(true, Ordering::Release);
        // Wakes the thread that accepts, which drops the listener.
        while TcpStream::connect(self.shared.address).is_ok() {
            std::thread::yield_now();
        }
    }

    /// Takes connections again.
    pub(crate) fn come_back(&self) {
        self.shared.is_over.store(false, Ordering::Release);
        let listener = TcpListener::bind(self.shared.address).unwrap();
        accept(&self.shared, listener);
    }

    /// An endpoint, by its path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.shared.address)
    }

    /// How a daemon is told of it.
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

    /// A grant as if a person had just consented.
    pub(crate) fn grant(&self) -> Pair {
        self.shared.state().grants.issue()
    }

    /// A new grant as an import that has `left` more seconds.
    pub(crate) fn import(&self, left: u64) -> TokenImport {
        Self::import_of(self.grant(), left)
    }

    /// A grant as an import that has `left` more seconds.
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

    /// Lets the next request to the token endpoint fail, after those that
    /// were laid down before.
    pub(crate) fn fail_next(&self, fault: FieldError) {
        self.shared.state().faults.push_back(fault);
    }

    /// Lets every request to the token endpoint fail, or none any more.
    pub(crate) fn fail_always(&self, fault: Option<FieldError>) {
        let mut state = self.shared.state();
        state.faults.clear();
        state.lasting_fault = fault;
    }

    /// Lets every refresh of one grant fail, as long as it has this refresh
    /// token.
    pub(crate) fn fail_for(&self, grant: &Pair, fault: FieldError) {
        let mut state = self.shared.state();
        state.refused.insert(grant.refresh.clone(), fault);
    }

    /// Lets every request to the token endpoint be done, and answered late.
    pub(crate) fn answer_late(&self, wait: Duration) {
        self.fail_always(Some(FieldError::Late(wait)));
    }

    /// Lets every request to the token endpoint be done, and its answer kept back
    /// until [`Self::release_answers`].
    pub(crate) fn hold_answers(&self) {
        self.shared.state().is_held = true;
    }

    /// Sends what was kept back, all at once.
    pub(crate) fn release_answers(&self) {
        self.shared.state().is_held = false;
        self.shared.released.notify_all();
    }

    /// Names the account whose person consents from now on.
    pub(crate) fn name_account(&self, account: &str) {
        self.shared.state().grants.account = Some(account.to_owned());
    }

    /// Has it say from now on that it granted these scopes.
    pub(crate) fn spell_scopes(&self, scopes: &str) {
        self.shared.state().grants.scope = scopes.to_owned();
    }

    /// Has it revoke tokens from now on, and say where.
    pub(crate) fn offer_revocation(&self) {
        self.shared.state().revokes = true;
    }

    /// The same, and each revocation takes this long.
    pub(crate) fn revoke_within(&self, time: Duration) {
        let mut state = self.shared.state();
        (state.revokes, state.revocation_time) = (true, time);
    }

    /// The same, and no revocation is done or answered until
    /// [`Self::release_revocations`].
    pub(crate) fn hold_revocations(&self) {
        let mut state = self.shared.state();
        (state.revokes, state.revocations_are_held) = (true, true);
    }

    /// Does and answers the revocations that were kept back.
    pub(crate) fn release_revocations(&self) {
        self.shared.state().revocations_are_held = false;
        self.shared.released.notify_all();
    }

    /// How many revocations were asked for.
    pub(crate) fn revocations(&self) -> usize {
        self.shared.state().revocations
    }

    /// Every request to the token endpoint so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.state().requests.clone()
    }

    /// How many refreshes were asked for.
    pub(crate) fn refreshes(&self) -> usize {
        let state = self.shared.state();
        state.requests.iter().filter(|r| r.is_refresh()).count()
    }

    /// How often a spent refresh token came again, out of any grace.
    pub(crate) fn reuses(&self) -> usize {
        self.shared.state().grants.reuses()
    }

    /// Whether an access token would be accepted now.
    pub(crate) fn accepts(&self, access: &str) -> bool {
        self.shared.state().grants.accepts(access)
    }

    /// Whether every grant has ended, or has no token that was not revoked.
    pub(crate) fn has_nothing_left(&self) -> bool {
        self.shared.state().grants.has_nothing_left()
    }

    /// Ends every grant, as a person does in their account's settings.
    pub(crate) fn revoke_all(&self) {
        self.shared.state().grants.revoke_all();
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.shared.address);
    }
}
