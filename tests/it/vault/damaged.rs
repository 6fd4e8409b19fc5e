//! Rows that cannot be read, since they are damaged or were written without
//! the key: each harms only itself, is named, and can be deleted by its id.

use std::path::Path;

use agent_authd::clock::Env;
use serde_json::json;

use super::{Binary, Home, daemon_with_token, database, done, ran, stderr, vault_file};
use crate::support::daemon::InProcess;
use crate::support::provider::{Provider, Rotation};
use crate::support::stage::{Stage, text};

/// What the event of such a deletion says.
const REASON: &str = "deleted; its row could not be read, so it was not revoked";

/// A daemon with two tokens of the user's and one connection, stopped; the
/// tokens' identifiers.
async fn stopped() -> (Home, Provider, [String; 2]) {
    let stage = Stage::new().await;
    let mut tokens = Vec::new();
    for number in 0..2 {
        let import =
            json!({"access_token": format!("canary-{number}"), "expires_in_seconds": 3600});
        tokens.push(stage.import(import).await);
    }
    let body = json!({"oauth_token_id": tokens[0]});
    stage.post("/agents/bot/connections", body).await.with(201);
    stage.authenticate(json!({"force_new": true})).await;
    let Stage {
        home,
        provider,
        daemon,
    } = stage;
    daemon.stop().await;
    (home, provider, tokens.try_into().unwrap())
}

/// The stage again, over the same vault.
async fn again(home: Home, provider: Provider) -> Stage {
    let daemon = InProcess::start(&home, Env::system()).await;
    Stage {
        home,
        provider,
        daemon,
    }
}

fn damage(vault: &Path, statement: &str) {
    let changed = database(vault).execute(statement, []).unwrap();
    assert!(changed > 0, "{statement}");
}

/// The caller's rows that cannot be read, when the daemon has looked.
async fn unreadable(stage: &Stage, expected: u64) {
    let looked = async {
        while stage.daemon.client().info().await.unwrap().unreadable_rows != expected {
            tokio::task::yield_now().await;
        }
    };
    let limit = std::time::Duration::from_secs(10);
    tokio::time::timeout(limit, looked).await.unwrap();
}

#[tokio::test]
async fn a_token_that_cannot_be_read_is_left_out_counted_and_deleted_by_its_id() {
    let (home, provider, [damaged, whole]) = stopped().await;
    let statement = "UPDATE tokens SET metadata = '{x' WHERE seq = 1";
    damage(&vault_file(&home), statement);
    let checked = ran(&home, &["vault", "check"]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(stderr(&checked).contains(&damaged), "{}", stderr(&checked));
    // Before the daemon runs in this thread: it makes the backup while it does.
    done(&home, &["vault", "backup"]);

    let stage = again(home, provider).await;
    unreadable(&stage, 1).await;
    let listed = stage.get("/tokens").await.with(200);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["id"], whole);
    let answer = stage.authenticate(json!({})).await;
    assert_eq!(answer["metadata"]["token_id"], whole, "{answer}");
    assert_eq!(
        stage.get("/tokens/exists?provider_id=strict").await.status,
        200
    );

    stage.daemon.client().delete_token(&damaged).await.unwrap();
    unreadable(&stage, 0).await;
    assert_eq!(
        stage.events().await.last().unwrap(),
        &format!("deleted {REASON} api -")
    );
    let gone = stage.delete(&format!("/tokens/{damaged}")).await;
    gone.with(404);
    done(&stage.home, &["vault", "check"]);
}

#[tokio::test]
async fn a_row_of_any_table_that_cannot_be_read_harms_only_itself() {
    let (home, provider, [_, whole]) = stopped().await;
    for statement in [
        "UPDATE tokens SET id = 'no-uuid' WHERE seq = 1",
        "UPDATE connections SET id = 'no-uuid'",
        "UPDATE flows SET requested = 'x'",
        "UPDATE events SET scopes = 'x' WHERE seq = 1",
        "INSERT INTO refresh_attempts SELECT owner, 'no-uuid', 1, 1 FROM vault, tokens WHERE seq = 2",
    ] {
        let vault = database(&vault_file(&home));
        vault.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        assert!(vault.execute(statement, []).unwrap() > 0, "{statement}");
    }
    let checked = stderr(&ran(&home, &["vault", "check"]));
    for table in [
        "tokens",
        "connections",
        "flows",
        "events",
        "refresh_attempts",
    ] {
        assert!(
            checked.contains(&format!(" of {table} cannot be read")),
            "{checked}"
        );
    }
    let stage = again(home, provider).await;
    unreadable(&stage, 5).await;
    for path in [
        "/tokens",
        "/token-events",
        "/providers",
        "/agents/bot/connections",
    ] {
        stage.get(path).await.with(200);
    }
    let answer = stage.authenticate(json!({})).await;
    assert_eq!(answer["metadata"]["token_id"], whole, "{answer}");
    let asked = stage.authenticate(json!({"force_new": true})).await;
    assert_eq!(asked["status"], "pending", "{asked}");
    let row = "/agents/bot/connections/no-uuid";
    stage.delete(row).await.with(204);
    stage.delete(row).await.with(404);
    stage.delete("/tokens/no-uuid").await.with(204);
    stage.delete("/tokens/no-uuid").await.with(404);
}

#[tokio::test]
async fn a_provider_that_cannot_be_read_is_deleted_by_its_id_with_its_tokens() {
    let (home, provider, _) = stopped().await;
    let statement = "UPDATE providers SET authorization_params = '{x'";
    damage(&vault_file(&home), statement);
    let stage = again(home, provider).await;
    unreadable(&stage, 1).await;
    assert_eq!(stage.get("/providers").await.with(200), json!([]));
    stage.delete("/providers/strict").await.with(200);
    assert_eq!(stage.get("/tokens").await.with(200), json!([]));
    let registration = stage.provider.registration();
    let client = stage.daemon.client();
    client.create_provider(&registration).await.unwrap();
    stage.import(json!({})).await;
}

#[tokio::test]
async fn no_secret_goes_to_an_address_that_was_written_without_the_key() {
    // A row without its code is not given one later.
    for (table, column, code) in [
        ("providers", "token_url", ""),
        ("providers", "authorization_url", ""),
        ("providers", "client_id", ""),
        ("tokens", "token_url", ""),
        ("providers", "token_url", ", mac = NULL"),
        ("tokens", "token_url", ", mac = NULL"),
    ] {
        let home = Home::with_settings("refresh_active_within = 0\n");
        let provider = Provider::start(Rotation::None, 3600);
        let daemon = daemon_with_token(&home, &provider, 0).await;
        daemon.stop().await;
        let before = provider.requests().len();
        let thief = Provider::start(Rotation::None, 3600);
        let value = thief.url("/token");
        let statement = format!("UPDATE {table} SET {column} = '{value}'{code}");
        damage(&vault_file(&home), &statement);
        let checked = stderr(&ran(&home, &["vault", "check"]));
        assert!(
            checked.contains("without the key of this vault"),
            "{statement}: {checked}"
        );
        let daemon = Binary::start(&home).await;
        // However it is answered: nothing is sent.
        let answer = daemon.client().authenticate(&super::wanted()).await;
        assert!(
            !answer.is_ok_and(|answer| answer.token.is_some()),
            "{statement}"
        );
        daemon.stop().await;
        assert!(thief.requests().is_empty(), "{statement}");
        assert_eq!(provider.requests().len(), before, "{statement}");
    }
}

/// A provider's new address in all rows that name it, none of which has a code
/// then: as if the vault were one from before rows carried codes.
fn steer(vault: &Path, address: &str) {
    let statements = ["providers", "tokens", "flows"]
        .map(|table| format!("UPDATE {table} SET token_url = '{address}', mac = NULL;"));
    let vault = database(vault);
    vault.execute_batch(&statements.concat()).unwrap();
}

#[tokio::test]
async fn rows_that_lost_their_codes_are_not_given_new_ones_at_a_start() {
    let home = Home::with_settings("refresh_active_within = 0\n");
    let provider = Provider::start(Rotation::None, 3600);
    daemon_with_token(&home, &provider, 0).await.stop().await;
    let before = provider.requests().len();
    let thief = Provider::start(Rotation::None, 3600);
    steer(&vault_file(&home), &thief.url("/token"));
    // Twice: the first start must not have prepared the second.
    for _ in 0..2 {
        let daemon = Binary::start(&home).await;
        let answer = daemon.client().authenticate(&super::wanted()).await;
        assert!(!answer.is_ok_and(|answer| answer.token.is_some()));
        assert!(daemon.stop().await.success());
    }
    assert!(thief.requests().is_empty());
    assert_eq!(provider.requests().len(), before);
    let vault = database(&vault_file(&home));
    for table in ["providers", "tokens"] {
        let query = format!("SELECT count(*) FROM {table} WHERE mac IS NULL");
        let without: u32 = vault.query_row(&query, [], |row| row.get(0)).unwrap();
        assert_eq!(without, 1, "{table}");
        let checked = stderr(&ran(&home, &["vault", "check"]));
        assert!(
            checked.contains(&format!(" of {table} cannot be read")),
            "{checked}"
        );
    }
}

#[tokio::test]
async fn a_code_is_sent_to_no_address_that_a_flow_was_given_without_the_key() {
    let (home, provider, _) = stopped().await;
    let thief = Provider::start(Rotation::None, 3600);
    let statement = format!("UPDATE flows SET token_url = '{}'", thief.url("/token"));
    damage(&vault_file(&home), &statement);
    let stage = again(home, provider).await;
    let asked = stage.authenticate(json!({"force_new": true})).await;
    let url = text(&asked["url"]);
    assert!(url.contains("state="), "a new flow begins: {asked}");
    unreadable(&stage, 1).await;
    assert!(thief.requests().is_empty());
}

#[tokio::test]
async fn a_damaged_login_that_a_crash_cut_off_keeps_no_daemon_from_its_start() {
    let stage = Stage::new().await;
    let mut asked = Vec::new();
    for _ in 0..2 {
        asked.push(stage.authenticate(json!({"force_new": true})).await);
    }
    let Stage {
        home,
        provider,
        daemon,
    } = stage;
    daemon.stop().await;
    damage(&vault_file(&home), "UPDATE flows SET status = 'exchanging'");
    let statement = "UPDATE flows SET requested = 'x' WHERE seq = 1";
    damage(&vault_file(&home), statement);
    let stage = again(home, provider).await;
    unreadable(&stage, 1).await;
    let whole = stage.wait(&asked[1]).await;
    assert_eq!(whole["error"], "interrupted", "{whole}");
}

#[tokio::test]
async fn wrong_totals_are_named_by_a_check_and_counted_anew_at_the_next_start() {
    let (home, provider) = (Home::new(), Provider::start(Rotation::None, 3600));
    daemon_with_token(&home, &provider, 3600).await.stop().await;
    let vault = database(&vault_file(&home));
    vault
        .execute("UPDATE totals SET bytes = 7, tokens = 9", [])
        .unwrap();
    drop(vault);
    let output = ran(&home, &["vault", "check"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("next start corrects them"));
    Binary::start(&home).await.stop().await;
    done(&home, &["vault", "check"]);
}
