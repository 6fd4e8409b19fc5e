//! Whose files the commands leave that root runs on another account's vault.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use super::{Home, daemon_with_token, done};
use crate::support::provider::{Provider, Rotation};

/// The account of a daemon that is not root.
const ACCOUNT: u32 = 61_234;

/// Everything in a folder, and itself.
fn all(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let below = entries.flat_map(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all(&path)
        } else {
            vec![path]
        }
    });
    std::iter::once(folder.to_owned()).chain(below).collect()
}

#[tokio::test]
async fn what_root_writes_in_a_daemons_folders_is_the_daemons() {
    if !geteuid().is_root() {
        return; // Nobody else can write there at all.
    }
    let (home, provider) = (Home::new(), Provider::start(Rotation::None, 3600));
    daemon_with_token(&home, &provider, 3600).await.stop().await;
    let folders = [home.path("data"), home.path("key")];
    fs::remove_file(home.path("data/agent-authd.lock")).unwrap();
    for path in folders.iter().flat_map(|folder| all(folder)) {
        chown(path, Some(ACCOUNT), Some(ACCOUNT)).unwrap();
    }
    done(&home, &["key", "rotate"]);
    done(&home, &["vault", "backup"]);
    let backups = fs::read_dir(home.path("data/backups")).unwrap();
    let backup = backups.last().unwrap().unwrap().path();
    done(&home, &["vault", "restore", backup.to_str().unwrap()]);
    done(&home, &["vault", "check"]);
    for path in folders.iter().flat_map(|folder| all(folder)) {
        let metadata = fs::metadata(&path).unwrap();
        let owner = (metadata.uid(), metadata.gid());
        assert_eq!(owner, (ACCOUNT, ACCOUNT), "{}", path.display());
    }
}
