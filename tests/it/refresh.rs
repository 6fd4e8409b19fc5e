//! A grant is never lost: refresh under races, crashes, outages and clocks
//! that jump, against the real daemon.

mod background;
mod clock;
mod crowd;
mod faults;
#[cfg(feature = "failpoints")]
mod freeze;
mod generation;
mod kills;
mod leftovers;
mod outage;
mod truth;

use std::time::{Duration, Instant};

use agent_authd::client::replies::{AuthStatus, AuthenticateResponse, TokenSummary};
use agent_authd::client::{Authenticate, Client, Error, NewProvider};
use agent_authd::identity::{ProviderId, Scopes};
use agent_authd::secret::ExposeSecret as _;

use crate::support::clock::TestClock;
use crate::support::daemon::{Home, InProcess};
use crate::support::provider::{PROVIDER_ID, Provider, Rotation};
use crate::support::waiting::until;

/// How long something may take that happens by itself, on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What most tests ask for.
fn wanted() -> Authenticate {
    Authenticate {
        provider: ProviderId::parse(PROVIDER_ID).unwrap(),
        scopes: Scopes::new(["read"]),
        user_id: None,
        agent_id: None,
        check_only: false,
        force_new: false,
        newer_than: None,
        try_now: false,
    }
}

/// The token that the daemon hands out now.
async fn token(client: &Client) -> String {
    let answer = client.authenticate(&wanted()).await.unwrap();
    in_clear(answer)
}

/// The same, by a caller who comes again as long as it is told to.
async fn token_before(client: &Client) -> String {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        match client.authenticate(&wanted()).await {
            Ok(answer) => return in_clear(answer),
            Err(Error::Refused { status, .. }) if status == 503 && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the test looks at the token")]
fn in_clear(answer: AuthenticateResponse) -> String {
    assert_eq!(
        answer.status,
        AuthStatus::Completed,
        "{:?}",
        answer.metadata
    );
    answer.token.unwrap().expose_secret().to_owned()
}

/// When to come again, as a caller is told who gets no token.
async fn refusal(client: &Client) -> Duration {
    match client.authenticate(&wanted()).await {
        Err(Error::Refused {
            status,
            retry_after,
            ..
        }) if status == 503 => retry_after.unwrap(),
        other => panic!("{other:?}"),
    }
}

/// The one token that is stored.
async fn summary(client: &Client) -> TokenSummary {
    client.tokens(None).await.unwrap().pop().unwrap()
}

/// A daemon with a clock of its own and one grant, whose access token lives
/// for an hour.
struct Setting {
    provider: Provider,
    home: Home,
    clock: std::sync::Arc<TestClock>,
    daemon: InProcess,
}

impl Setting {
    async fn new(provider: Provider, settings: &str) -> Self {
        let registration = provider.registration();
        Self::registered(provider, &registration, settings).await
    }

    async fn registered(provider: Provider, registration: &NewProvider, settings: &str) -> Self {
        Self::by(TestClock::new(), provider, registration, settings).await
    }

    /// One with a provider that lives by the same clock.
    async fn with_clocked_provider(rotation: Rotation, settings: &str) -> Self {
        let clock = TestClock::new();
        let provider = Provider::start_by(&clock, rotation);
        let registration = provider.registration();
        Self::by(clock, provider, &registration, settings).await
    }

    async fn by(
        clock: std::sync::Arc<TestClock>,
        provider: Provider,
        registration: &NewProvider,
        settings: &str,
    ) -> Self {
        let home = Home::with_settings(settings);
        let daemon = InProcess::start(&home, clock.env()).await;
        let client = daemon.client();
        client.create_provider(registration).await.unwrap();
        client.import_token(&provider.import(3600)).await.unwrap();
        Self {
            provider,
            home,
            clock,
            daemon,
        }
    }

    fn client(&self) -> &Client {
        self.daemon.client()
    }

    /// Ends the daemon and starts another.
    async fn restart(self) -> Self {
        self.restart_after(0).await
    }

    /// Ends the daemon and starts another so many seconds later.
    async fn restart_after(self, seconds: u64) -> Self {
        let Self {
            provider,
            home,
            clock,
            daemon,
        } = self;
        daemon.stop().await;
        clock.pass(seconds);
        let daemon = InProcess::start(&home, clock.env()).await;
        Self {
            provider,
            home,
            clock,
            daemon,
        }
    }
}
