//! A disk with any room left: a refresh token is spent only if its successor
//! can be stored, however many refreshes there are at once.
//!
//! What a kill would leave is what another connection reads: it is in the
//! file or in the log.

use std::fs::{self, File};
use std::path::Path;

use serde_json::{Value, json};

use super::health::{Mount, fill, home};
use super::{Binary, Home, database, vault_file};
use crate::support::provider::{PROVIDER_ID, Provider, Rotation};
use crate::support::stage::post;

/// How many fill levels there are, and how far apart they are: up to more than
/// an attempt takes, in pages of the file system.
pub(super) const LEVELS: u64 = 64;
pub(super) const PAGE: u64 = 4096;

/// Leaves this much of the disk.
pub(super) fn leave(filler: &Path, bytes: u64) {
    fill(filler);
    let file = File::options().write(true).open(filler).unwrap();
    let size = file.metadata().unwrap().len();
    file.set_len(size.saturating_sub(bytes)).unwrap();
}

/// A daemon with this many dead tokens; their identifiers.
async fn prepared(home: &Home, provider: &Provider, tokens: usize) -> (Binary, Vec<Value>) {
    let daemon = Binary::start(home).await;
    daemon
        .client()
        .create_provider(&provider.registration())
        .await
        .unwrap();
    let mut ids = Vec::new();
    for _ in 0..tokens {
        let import = provider.import(0);
        let answer = daemon.client().import_token(&import).await.unwrap();
        ids.push(json!(answer.token_id));
    }
    (daemon, ids)
}

/// Lets the tokens expire.
fn expire(home: &Home) {
    let vault = database(&vault_file(home));
    vault
        .execute("UPDATE tokens SET expires_at = issued_at", [])
        .unwrap();
}

/// How many refreshes are in the vault.
fn stored(home: &Home) -> usize {
    let query = "SELECT sum(generation - 1) FROM tokens";
    let sum: i64 = database(&vault_file(home))
        .query_row(query, [], |row| row.get(0))
        .unwrap();
    sum.try_into().unwrap()
}

/// Asks for all the tokens at once; how many were handed out.
async fn ask_for_all(home: &Home, ids: &[Value]) -> usize {
    let calls = ids.iter().map(|id| {
        let body = json!({"provider": PROVIDER_ID, "scopes": ["read"], "token_id": id});
        post(home, "/authenticate", body)
    });
    let mut handed_out = 0;
    for answer in all(calls).await {
        assert!([200, 503].contains(&answer.status), "{answer:?}");
        handed_out += usize::from(answer.status == 200);
    }
    handed_out
}

/// The results of all, which run at once.
async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.map(Box::pin).collect();
    let mut results: Vec<_> = waiting.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, result) in waiting.iter_mut().zip(&mut results) {
            if result.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *result = Some(value);
            }
        }
        if results.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    results.into_iter().flatten().collect()
}

/// Refreshes `tokens` at once at each level of what is left on the disk: with
/// twenty of them the slowest test there is, for 1,280 refreshes.
async fn every_level(tokens: usize, size: &str) {
    let (home, provider) = (home(), Provider::start(Rotation::Strict, 3600));
    let _mount = Mount::tmpfs(home.path("data"), &format!("size={size},mode=700"));
    let (mut daemon, ids) = prepared(&home, &provider, tokens).await;
    let filler = home.path("data/filler");
    let mut refreshed = ask_for_all(&home, &ids).await;
    assert_eq!(refreshed, tokens);
    let mut refused_levels = 0;
    for level in (0..LEVELS).rev() {
        expire(&home);
        leave(&filler, level * PAGE);
        let handed_out = ask_for_all(&home, &ids).await;
        refreshed += handed_out;
        assert_eq!(
            stored(&home),
            provider.refreshes(),
            "{} KiB left",
            level * 4
        );
        assert_eq!(stored(&home), refreshed, "{} KiB left", level * 4);
        if handed_out < tokens {
            refused_levels += 1;
            // Each level is tried without what the last one has left in memory.
            daemon.kill();
            fs::remove_file(&filler).unwrap();
            daemon = Binary::start(&home).await;
        } else {
            fs::remove_file(&filler).unwrap();
        }
    }
    assert!(refused_levels > 0, "the disk was never full");
    expire(&home);
    assert_eq!(ask_for_all(&home, &ids).await, tokens);
    assert_eq!(provider.reuses(), 0);
    drop(daemon);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_every_fill_level_one_refresh_is_stored_or_not_sent() {
    every_level(1, "3m").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_every_fill_level_twenty_refreshes_are_stored_or_not_sent() {
    every_level(20, "8m").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_small_disk_what_has_room_is_refreshed_and_the_rest_is_not_sent() {
    let (home, provider) = (home(), Provider::start(Rotation::Strict, 3600));
    // Room for the vault and a few answers.
    let _mount = Mount::tmpfs(home.path("data"), "size=2m,mode=700");
    let (daemon, ids) = prepared(&home, &provider, 20).await;
    let handed_out = ask_for_all(&home, &ids).await;
    assert!(handed_out > 0);
    assert_eq!(stored(&home), handed_out);
    assert_eq!((provider.refreshes(), provider.reuses()), (handed_out, 0));
    drop(daemon);
}
