//! The key's places, and the three ways in which it can be wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::{
    Binary, Home, complaint, daemon_with_token, database, done, ran, stderr, token, vault_file,
};
use crate::support::provider::{Provider, Rotation};

#[tokio::test]
async fn a_wrong_key_a_missing_key_and_a_damaged_row_are_told_apart() {
    let provider = Provider::start(Rotation::None, 3600);

    let home = Home::new();
    daemon_with_token(&home, &provider, 3600).await.stop().await;
    let key_file = home.path("key/vault.key");
    let key = fs::read(&key_file).unwrap();
    fs::remove_file(&key_file).unwrap();
    let missing = complaint(&home).await;
    assert!(
        missing.contains("the key of this vault is missing"),
        "{missing}"
    );
    assert!(!key_file.exists());

    let other = Home::new();
    Binary::start(&other).await.stop().await;
    fs::copy(other.path("key/vault.key"), &key_file).unwrap();
    let wrong = complaint(&home).await;
    assert!(wrong.contains("is not the key of this vault"), "{wrong}");

    fs::write(&key_file, key).unwrap();
    let vault = database(&vault_file(&home));
    vault
        .execute("UPDATE tokens SET access_token = substr(access_token, 1, 40) || 'A' || substr(access_token, 42)", [])
        .unwrap();
    drop(vault);
    let daemon = Binary::start(&home).await;
    let asked = daemon.client().authenticate(&super::wanted()).await;
    assert!(asked.unwrap().url.is_some(), "the row is not used");
    let log = home.log();
    assert!(log.contains("a stored row cannot be read"), "{log}");
}

#[tokio::test]
async fn a_credential_of_the_service_manager_is_the_key() {
    let (home, provider) = (Home::new(), Provider::start(Rotation::None, 3600));
    daemon_with_token(&home, &provider, 3600).await.stop().await;
    let credentials = home.path("credentials");
    fs::create_dir(&credentials).unwrap();
    fs::rename(home.path("key/vault.key"), credentials.join("vault-key")).unwrap();
    fs::set_permissions(
        credentials.join("vault-key"),
        fs::Permissions::from_mode(0o440),
    )
    .unwrap();

    // Without the service manager there is no key, and none is made.
    assert!(complaint(&home).await.contains("is missing"));
    assert!(!home.path("key/vault.key").exists());
    let daemon = Binary::start_with(&home, |command| {
        command.env("CREDENTIALS_DIRECTORY", &credentials);
    })
    .await;
    assert!(!token(daemon.client()).await.is_empty());
    daemon.stop().await;

    let status = super::agent_auth(&home, &["key", "status"])
        .env("CREDENTIALS_DIRECTORY", &credentials)
        .output()
        .unwrap();
    let shown = String::from_utf8(status.stdout).unwrap();
    assert!(shown.contains("(credential)"), "{shown}");
    let rotated = super::agent_auth(&home, &["key", "rotate"])
        .env("CREDENTIALS_DIRECTORY", &credentials)
        .output()
        .unwrap();
    assert!(stderr(&rotated).contains("systemd-creds encrypt"));
}

#[tokio::test]
async fn a_credential_with_a_new_line_before_the_old_seals_everything_anew() {
    let (home, provider) = (Home::new(), Provider::start(Rotation::None, 3600));
    let daemon = daemon_with_token(&home, &provider, 3600).await;
    let before = token(daemon.client()).await;
    daemon.stop().await;
    let other = Home::new();
    Binary::start(&other).await.stop().await;
    let key = |home: &Home| fs::read_to_string(home.path("key/vault.key")).unwrap();
    let credential = home.path("vault-key");
    fs::write(&credential, key(&other) + &key(&home)).unwrap();
    fs::set_permissions(&credential, fs::Permissions::from_mode(0o400)).unwrap();
    let start = || {
        Binary::start_with(&home, |command| {
            command.env("CREDENTIALS_DIRECTORY", home.path(""));
        })
    };
    start().await.stop().await;
    // The old line is taken out.
    fs::remove_file(&credential).unwrap();
    fs::write(&credential, key(&other)).unwrap();
    fs::set_permissions(&credential, fs::Permissions::from_mode(0o400)).unwrap();
    assert_eq!(token(start().await.client()).await, before);
}

#[tokio::test]
async fn a_place_that_cannot_be_reached_is_an_error_and_not_the_file() {
    for (place, words) in [
        ("credential", "CREDENTIALS_DIRECTORY is not set"),
        ("secret-service", "the Secret Service"),
        #[cfg(not(target_os = "macos"))]
        ("keychain", "this machine has none"),
    ] {
        let home = Home::with_settings(&format!("key_store = '{place}'\n"));
        let daemon = Binary::spawn_with(&home, |command| {
            command
                .env_remove("CREDENTIALS_DIRECTORY")
                .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
        });
        assert!(!daemon.ended().await.success());
        assert!(home.log().contains(words), "{}", home.log());
        assert!(!home.path("key/vault.key").exists());
        assert!(!vault_file(&home).exists());
    }
}

#[tokio::test]
async fn the_key_stays_where_it_is_when_its_new_place_cannot_keep_it() {
    let (home, provider) = (Home::new(), Provider::start(Rotation::None, 3600));
    daemon_with_token(&home, &provider, 3600).await.stop().await;
    let key = fs::read(home.path("key/vault.key")).unwrap();
    for place in ["file", "credential"] {
        let output = ran(&home, &["key", "move", place]);
        assert_eq!(output.status.code(), Some(1), "{place}");
    }
    assert_eq!(fs::read(home.path("key/vault.key")).unwrap(), key);
    assert!(done(&home, &["key", "status"]).contains("opens the vault"));
}

#[tokio::test]
async fn a_key_moves_from_a_credential_to_the_file_and_the_settings_say_so() {
    let (home, provider) = (Home::new(), Provider::start(Rotation::None, 3600));
    let daemon = daemon_with_token(&home, &provider, 3600).await;
    let before = token(daemon.client()).await;
    daemon.stop().await;
    fs::rename(home.path("key/vault.key"), home.path("vault-key")).unwrap();
    let moved = super::agent_auth(&home, &["key", "move", "file"])
        .env("CREDENTIALS_DIRECTORY", home.path(""))
        .output()
        .unwrap();
    assert!(moved.status.success(), "{}", stderr(&moved));
    let shown = String::from_utf8(moved.stdout).unwrap();
    assert!(shown.contains("remove it from the service unit"), "{shown}");
    let settings = fs::read_to_string(home.path("config.toml")).unwrap();
    assert_eq!(settings, "key_store = \"file\"\n");
    let daemon = Binary::start(&home).await;
    assert_eq!(token(daemon.client()).await, before);
}

/// Secret Service: only where the binary was built with it, against a real
/// gnome-keyring on a bus of its own.
#[cfg(feature = "secret-service")]
mod secret_service {
    use std::process::Command;

    use super::*;

    /// Runs a script with a session bus and an unlocked keyring.
    fn with_keyring(home: &Home, script: &str) -> std::process::Output {
        let unlock = "printf '\\n' | gnome-keyring-daemon --unlock --components=secrets >/dev/null";
        Command::new("dbus-run-session")
            .args(["--", "bash", "-euc", &format!("{unlock}\n{script}")])
            .current_dir(home.path(""))
            .env("HOME", home.path(""))
            .env_remove("DBUS_SESSION_BUS_ADDRESS")
            .env("XDG_RUNTIME_DIR", home.path(""))
            .env("XDG_DATA_HOME", home.path("xdg"))
            .env("AGENT_AUTH", env!("CARGO_BIN_EXE_agent-auth"))
            .env("AGENT_AUTHD", env!("CARGO_BIN_EXE_agent-authd"))
            .env(
                "WHERE",
                format!(
                    "--data-dir {0}/data --key-file {0}/key/vault.key --config {0}/config.toml",
                    home.path("").display()
                ),
            )
            .output()
            .unwrap()
    }

    #[tokio::test]
    async fn a_key_moves_into_the_keyring_opens_the_vault_rotates_and_comes_back() {
        let (home, provider) = (Home::new(), Provider::start(Rotation::None, 3600));
        let daemon = daemon_with_token(&home, &provider, 3600).await;
        let before = token(daemon.client()).await;
        daemon.stop().await;
        let output = with_keyring(
            &home,
            "$AGENT_AUTH key move secret-service $WHERE
             test ! -e key/vault.key
             $AGENT_AUTH key status $WHERE
             $AGENT_AUTH key rotate $WHERE
             $AGENT_AUTH vault check $WHERE
             $AGENT_AUTH key move file $WHERE
             ! $AGENT_AUTH key move file $WHERE",
        );
        assert!(output.status.success(), "{}", stderr(&output));
        let shown = String::from_utf8(output.stdout).unwrap();
        assert!(shown.contains("(secret-service)"), "{shown}");
        let daemon = Binary::start(&home).await;
        assert_eq!(token(daemon.client()).await, before);
    }
}

#[test]
fn a_move_offers_no_place_that_it_refuses() {
    let home = Home::new();
    let help = done(&home, &["key", "move", "--help"]);
    assert!(help.contains("secret-service"), "{help}");
    assert!(!help.contains("auto"), "{help}");
    let refused = stderr(&ran(&home, &["key", "move", "auto"]));
    assert!(refused.contains("invalid value 'auto'"), "{refused}");
}
