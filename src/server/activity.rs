//! What each connection is doing, and since when. By this it is decided when a
//! connection is given up, and which one goes when places run out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// How long the line and headers of a request may take, from the connection's
/// beginning or from the request's first byte.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an idle connection is kept: longer than the pools of well-known
/// clients keep theirs (httpx 5 s, undici 4 s, Go 90 s but checked), so that it
/// is the client that closes it, when it sends nothing.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// How long a connection that waits for a request is kept when the server
/// ends: a client that sends one in this time is told that it is the last.
const LINGER: Duration = Duration::from_millis(250);

/// How long the end of a connection that was cut may take to be seen.
const CUT_TIMEOUT: Duration = Duration::from_secs(1);

/// One connection's activity, shared by what reads, answers and writes it.
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<State>,
    /// Wakes the connection's task when `ends_at` was set.
    told: Notify,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    since: Instant,
    /// When the connection is to be cut if it waits for a request then. Answers
    /// say `Connection: close` from the moment that this is set.
    ends_at: Option<Instant>,
    /// Since when no more is read from the peer than it has sent already.
    cut_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No byte has come yet.
    New,
    /// A part of a request's head has come.
    Receiving,
    /// A request is being answered; its body may still be read.
    Handling,
    /// The answer is complete and being written.
    Sending,
    /// The last answer is written, and no byte of another request has come.
    Idle,
}

/// What is to be done with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing, for as long as the request under way takes.
    Nothing,
    /// To look again then.
    At(Instant),
    /// It is to be cut: what the peer has sent by now is the last.
    Cut,
    /// It is to be dropped as it is.
    Drop,
}

impl Activity {
    fn new(now: Instant) -> Self {
        Self {
            state: Mutex::new(State {
                phase: Phase::New,
                since: now,
                ends_at: None,
                cut_at: None,
            }),
            told: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes have come.
    pub(super) fn received(&self) {
        let mut state = self.lock();
        match state.phase {
            // What a new connection has spent in silence counts.
            Phase::New => state.phase = Phase::Receiving,
            Phase::Idle => {
                state.phase = Phase::Receiving;
                state.since = Instant::now();
            }
            Phase::Receiving | Phase::Handling | Phase::Sending => {}
        }
    }

    /// A request's head is complete.
    pub(super) fn handling(&self) {
        self.lock().phase = Phase::Handling;
    }

    /// The answer's body is complete.
    pub(super) fn sending(&self) {
        self.lock().phase = Phase::Sending;
    }

    /// All that was to be written is.
    pub(super) fn flushed(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Sending {
            state.phase = Phase::Idle;
            state.since = Instant::now();
        }
    }

    /// Lets the request under way be the last, and cuts the connection at
    /// `ends_at` if there is none.
    pub(super) fn end(&self, ends_at: Instant) {
        let mut state = self.lock();
        state.ends_at = Some(state.ends_at.map_or(ends_at, |old| old.min(ends_at)));
        drop(state);
        self.told.notify_one();
    }

    /// Returns when [`Self::end`] was called.
    pub(super) async fn told(&self) {
        self.told.notified().await;
    }

    /// Whether the next answer is the last.
    pub(super) fn ends(&self) -> bool {
        let state = self.lock();
        state.ends_at.is_some() || state.cut_at.is_some()
    }

    /// Whether the connection is to be cut, or was.
    pub(super) fn is_cut(&self) -> bool {
        self.lock().cut_at.is_some()
    }

    /// Whether a request is being answered: the peer's end is no reason then to
    /// break off.
    pub(super) fn is_answering(&self) -> bool {
        matches!(self.lock().phase, Phase::Handling | Phase::Sending)
    }

    /// What is to be done now. [`Due::Cut`] is said once.
    pub(super) fn due(&self, now: Instant) -> Due {
        let mut state = self.lock();
        let (limit, waits) = match state.phase {
            Phase::Handling | Phase::Sending => return Due::Nothing,
            Phase::Receiving => (HEADER_TIMEOUT, false),
            Phase::New => (HEADER_TIMEOUT, true),
            Phase::Idle => (IDLE_TIMEOUT, true),
        };
        let mut deadline = state.since + limit;
        if let (true, Some(cut_at)) = (waits, state.cut_at) {
            deadline = cut_at + CUT_TIMEOUT;
        } else if let (true, Some(ends_at)) = (waits, state.ends_at) {
            deadline = deadline.min(ends_at);
        }
        if now < deadline {
            Due::At(deadline)
        } else if waits && state.cut_at.is_none() {
            state.cut_at = Some(now);
            Due::Cut
        } else {
            Due::Drop
        }
    }

    /// Since when it has been idle, if it is and was not told to end.
    fn idle_since(&self) -> Option<Instant> {
        let state = self.lock();
        let is_idle = state.phase == Phase::Idle && state.ends_at.is_none();
        is_idle.then_some(state.since)
    }
}

/// The connections of one listener.
#[derive(Clone, Debug, Default)]
pub(super) struct Connections(Arc<List>);

#[derive(Debug, Default)]
struct List {
    listed: Mutex<Listed>,
    /// Told when one has left.
    left: Notify,
}

#[derive(Debug, Default)]
struct Listed {
    next: u64,
    all: HashMap<u64, Arc<Activity>>,
    /// Whether the server ends, and each connection with its next answer.
    ends: bool,
}

/// A connection's place in the list, which it leaves when dropped.
#[derive(Debug)]
pub(super) struct Entry {
    connections: Connections,
    id: u64,
    pub(super) activity: Arc<Activity>,
}

impl Connections {
    fn lock(&self) -> MutexGuard<'_, Listed> {
        let listed = self.0.listed.lock();
        listed.unwrap_or_else(PoisonError::into_inner)
    }

    /// Lists a connection that has just begun.
    pub(super) fn add(&self) -> Entry {
        let activity = Arc::new(Activity::new(Instant::now()));
        let mut listed = self.lock();
        if listed.ends {
            activity.end(Instant::now() + LINGER);
        }
        let id = listed.next;
        listed.next += 1;
        listed.all.insert(id, Arc::clone(&activity));
        Entry {
            connections: self.clone(),
            id,
            activity,
        }
    }

    /// Ends the connection that has been idle for longest, if any is idle.
    pub(super) fn end_longest_idle(&self) {
        let listed = self.lock();
        let idle = listed.all.values().filter_map(|activity| {
            let since = activity.idle_since()?;
            Some((since, activity))
        });
        if let Some((_, activity)) = idle.min_by_key(|(since, _)| *since) {
            activity.end(Instant::now());
        }
    }

    /// Ends all of them, and those that are added later: each after the request
    /// under way, or after [`LINGER`] if there is none. Gives what
    /// [`Self::ended`] takes to wait for those there are now.
    pub(super) fn end_all(&self) -> u64 {
        let mut listed = self.lock();
        listed.ends = true;
        let ends_at = Instant::now() + LINGER;
        listed
            .all
            .values()
            .for_each(|activity| activity.end(ends_at));
        listed.next
    }

    /// Returns when all that were added before `limit` have ended.
    pub(super) async fn ended(&self, limit: u64) {
        loop {
            let left = self.0.left.notified();
            let is_over = |listed: MutexGuard<'_, Listed>| listed.all.keys().all(|id| *id >= limit);
            if is_over(self.lock()) {
                return;
            }
            left.await;
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.connections.lock().all.remove(&self.id);
        self.connections.0.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An activity after one request.
    fn idle() -> Activity {
        let activity = Activity::new(Instant::now());
        activity.received();
        activity.handling();
        activity.sending();
        activity.flushed();
        activity
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_lives_for_75_s_and_a_head_for_5_s() {
        let activity = idle();
        let began = Instant::now();
        assert_eq!(activity.due(began), Due::At(began + IDLE_TIMEOUT));
        tokio::time::advance(Duration::from_secs(70)).await;
        activity.received();
        let first_byte = Instant::now();
        assert_eq!(
            activity.due(first_byte),
            Due::At(first_byte + HEADER_TIMEOUT)
        );
        assert_eq!(activity.due(first_byte + HEADER_TIMEOUT), Due::Drop);
        activity.handling();
        assert_eq!(activity.due(first_byte + IDLE_TIMEOUT * 9), Due::Nothing);
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_waits_for_the_request_under_way() {
        let activity = idle();
        activity.received();
        let now = Instant::now();
        activity.end(now);
        assert!(activity.ends());
        assert_eq!(activity.due(now), Due::At(now + HEADER_TIMEOUT));
        activity.handling();
        assert_eq!(activity.due(now), Due::Nothing);
        activity.sending();
        activity.flushed();
        assert_eq!(activity.due(now), Due::Cut);
        assert_eq!(activity.due(now), Due::At(now + CUT_TIMEOUT));
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_after_the_end_began_ends_too_and_is_not_waited_for() {
        let connections = Connections::default();
        let [old, late] = [0; 2].map(|_| connections.add());
        let before = connections.end_all();
        let new = connections.add();
        assert!(old.activity.ends() && new.activity.ends());
        let now = Instant::now();
        assert_eq!(new.activity.due(now), Due::At(now + LINGER));
        drop(old);
        let waiting = connections.clone();
        let waiting = tokio::spawn(async move { waiting.ended(before).await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(late);
        waiting.await.unwrap();
        assert!(new.activity.ends());
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_one_goes_first() {
        let connections = Connections::default();
        let [busy, older, newer] = [0; 3].map(|_| connections.add());
        busy.activity.handling();
        for entry in [&older, &newer] {
            entry.activity.sending();
            entry.activity.flushed();
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let ends = || [&busy, &older, &newer].map(|entry| entry.activity.ends());
        connections.end_longest_idle();
        assert_eq!(ends(), [false, true, false]);
        connections.end_longest_idle();
        connections.end_longest_idle();
        assert_eq!(ends(), [false, true, true]);
    }
}
