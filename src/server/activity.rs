//! The state of each connection and its time limits. They decide when a connection
//! is closed, and which one is closed when the server has too many.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// The time limit for the request line and headers, from the start of the
/// connection or from the first byte of the request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long an idle connection is kept. It is longer than the pools of common
/// clients keep theirs (httpx 5 s, undici 4 s, Go 90 s but checked), so that the
/// client closes it at a moment when it sends nothing.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// How long an idle connection is kept during a shutdown. A request that arrives
/// in this time gets a reply with `Connection: close`.
const LINGER: Duration = Duration::from_millis(250);

/// How long the end of a connection may take after its read side was shut down.
const CUT_TIMEOUT: Duration = Duration::from_secs(1);

/// The state of one connection, shared by the code that reads, answers and writes.
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<State>,
    /// Wakes the task of the connection when `ends_at` was set.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    since: Instant,
    /// When the connection is closed if it is idle. Once this is set, replies have
    /// `Connection: close`.
    ends_at: Option<Instant>,
    /// When the read side was shut down.
    cut_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No byte was received yet.
    New,
    /// A part of the head of a request was received.
    Receiving,
    /// A request is being answered; its body may still be read.
    Handling,
    /// The reply is complete and being written.
    Sending,
    /// The last reply was written, and no byte of another request was received.
    Idle,
}

/// What to do with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing until the request under way is finished.
    Nothing,
    /// Check again at this time.
    At(Instant),
    /// Shut down the read side: only what the peer has sent by now is read.
    Cut,
    /// Close the connection.
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
            changed: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that bytes were received.
    pub(super) fn received(&self) {
        let mut state = self.lock();
        match state.phase {
            // The limit counts from the start of a new connection.
            Phase::New => state.phase = Phase::Receiving,
            Phase::Idle => {
                state.phase = Phase::Receiving;
                state.since = Instant::now();
            }
            Phase::Receiving | Phase::Handling | Phase::Sending => {}
        }
    }

    /// Records that the head of a request is complete.
    pub(super) fn handling(&self) {
        self.lock().phase = Phase::Handling;
    }

    /// Records that the body of the reply is complete.
    pub(super) fn sending(&self) {
        self.lock().phase = Phase::Sending;
    }

    /// Records that everything was written.
    pub(super) fn flushed(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Sending {
            state.phase = Phase::Idle;
            state.since = Instant::now();
        }
    }

    /// Closes the connection after the request under way, or at `ends_at` if there
    /// is none.
    pub(super) fn end(&self, ends_at: Instant) {
        let mut state = self.lock();
        state.ends_at = Some(state.ends_at.map_or(ends_at, |old| old.min(ends_at)));
        drop(state);
        self.changed.notify_one();
    }

    /// Waits until [`Self::end`] is called.
    pub(super) async fn end_requested(&self) {
        self.changed.notified().await;
    }

    /// Whether the next reply is the last.
    pub(super) fn ends(&self) -> bool {
        let state = self.lock();
        state.ends_at.is_some() || state.cut_at.is_some()
    }

    /// Whether the read side was shut down, or must be.
    pub(super) fn is_cut(&self) -> bool {
        self.lock().cut_at.is_some()
    }

    /// Whether a request is being answered, which continues even if the peer has
    /// closed its side.
    pub(super) fn is_answering(&self) -> bool {
        matches!(self.lock().phase, Phase::Handling | Phase::Sending)
    }

    /// What to do now. Returns [`Due::Cut`] once.
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

    /// When it became idle; `None` if it is not idle or will be closed already.
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
    /// Notified when a connection has ended.
    left: Notify,
}

#[derive(Debug, Default)]
struct Listed {
    next: u64,
    all: HashMap<u64, Arc<Activity>>,
    /// Whether the server shuts down.
    ends: bool,
}

/// The entry of a connection in the list. Removed when dropped.
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

    /// Adds a new connection.
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

    /// Closes the connection that has been idle for longest, if one is idle.
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

    /// Closes all connections, and those that are added later: each after the
    /// request under way, or after [`LINGER`] if there is none. Returns the argument
    /// with which [`Self::ended`] waits for the current ones.
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

    /// Waits until all connections with an id below `limit` have ended.
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

    /// The state after one request.
    fn idle() -> Activity {
        let activity = Activity::new(Instant::now());
        activity.received();
        activity.handling();
        activity.sending();
        activity.flushed();
        activity
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_kept_for_75_s_and_a_head_may_take_5_s() {
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
    async fn a_connection_added_during_a_shutdown_is_closed_too_and_not_waited_for() {
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
    async fn the_longest_idle_connection_is_closed_first() {
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
