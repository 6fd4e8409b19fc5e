//! A root daemon takes no key, data folder or settings that another user could
//! have written; the command in the refusal mends it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, lchown, symlink};
use std::path::Path;
use std::process::Command;

use nix::unistd::geteuid;

use super::{Binary, Home, complaint};

/// Another user of the machine.
const OTHER: u32 = 61_236;

/// A home that a daemon has used; `None` unless this is root, who alone can give
/// files away.
async fn used_home() -> Option<Home> {
    if !geteuid().is_root() {
        return None;
    }
    let home = Home::new();
    Binary::start(&home).await.stop().await;
    Some(home)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// The daemon refuses to start with these words, and starts after the command
/// that it names.
async fn refuses_until_mended(home: &Home, words: &str) {
    let said = complaint(home).await;
    let line = said.lines().last().unwrap();
    assert!(line.contains(words), "{line}");
    let command = line.split_once("run: ").unwrap_or_else(|| panic!("{line}"));
    let mended = Command::new("sh").args(["-c", command.1]).status();
    assert!(mended.unwrap().success(), "{line}");
    Binary::start(home).await.stop().await;
}

/// Puts a link in the place of a file or folder, which moves aside.
fn put_link(path: &Path) {
    let real = path.with_extension("real");
    fs::rename(path, &real).unwrap();
    symlink(&real, path).unwrap();
}

/// What must hold of the key, the data folder and the settings alike.
async fn is_refused_where_others_could_have_written(home: &Home, path: &Path) {
    chown(path, Some(OTHER), None).unwrap();
    refuses_until_mended(home, "belongs to uid 61236").await;

    let parent = path.parent().unwrap();
    let mode = fs::metadata(parent).unwrap().permissions().mode() & 0o777;
    set_mode(parent, 0o777);
    refuses_until_mended(home, "others can write into the folder").await;
    set_mode(parent, mode);

    put_link(path);
    Binary::start(home).await.stop().await;
    lchown(path, Some(OTHER), None).unwrap();
    refuses_until_mended(home, "belongs to uid 61236").await;
}

#[tokio::test]
async fn a_key_that_others_could_have_written_is_refused() {
    let Some(home) = used_home().await else {
        return;
    };
    let key = home.path("key/vault.key");
    set_mode(&key, 0o620);
    refuses_until_mended(&home, "others can read it").await;
    fs::hard_link(&key, home.path("key/second")).unwrap();
    refuses_until_mended(&home, "it has a second name").await;
    is_refused_where_others_could_have_written(&home, &key).await;
}

#[tokio::test]
async fn a_data_folder_that_others_could_have_written_is_refused() {
    let Some(home) = used_home().await else {
        return;
    };
    let folder = home.path("data");
    set_mode(&folder, 0o730);
    refuses_until_mended(&home, "others can write to it").await;
    is_refused_where_others_could_have_written(&home, &folder).await;
}

#[tokio::test]
async fn settings_that_others_could_have_written_are_refused() {
    let Some(home) = used_home().await else {
        return;
    };
    let settings = home.path("config.toml");
    set_mode(&settings, 0o646);
    refuses_until_mended(&home, "others can write to it").await;
    fs::hard_link(&settings, home.path("second")).unwrap();
    refuses_until_mended(&home, "it has a second name").await;
    is_refused_where_others_could_have_written(&home, &settings).await;
}
