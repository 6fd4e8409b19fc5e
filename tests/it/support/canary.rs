//! Secrets that are known again. Each that a test or its provider makes begins
//! with a marker; what a daemon leaves is searched for it, however it is spelt,
//! and for the vault's key.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Letters alone, which no way of escaping changes.
pub(crate) const MARKER: &str = "canary";

/// What is left of a key that is told in part is still told by so many
/// characters of its text.
const RECOGNIZABLE: usize = 24;

/// The files at `places` and below that hold a secret in clear. `key` is the
/// file of the vault's key.
pub(crate) fn found(places: &[PathBuf], key: &Path) -> Vec<PathBuf> {
    let mut spellings = spellings(MARKER);
    let ring = fs::read_to_string(key).unwrap_or_default();
    let keys = ring.lines().filter_map(|line| line.get(..RECOGNIZABLE));
    spellings.extend(keys.map(str::to_owned));
    let mut files = Vec::new();
    for place in places {
        gather(place, &mut files);
    }
    files.retain(|file| {
        // It may be gone: a daemon that still ends takes its log of writes away.
        let content = fs::read(file).unwrap_or_default();
        let text = String::from_utf8_lossy(&content);
        spellings.iter().any(|spelling| text.contains(spelling))
    });
    files
}

/// A text in clear, in hexadecimal, as `Debug` shows its bytes, and within
/// something in base64: there, only the digits that what stands before and after
/// does not change.
fn spellings(text: &str) -> Vec<String> {
    let hex = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let bytes = format!("{:?}", text.as_bytes());
    let mut spellings = vec![text.to_owned(), hex, bytes.replace(['[', ']'], "")];
    for before in 0..3 {
        let coded = STANDARD_NO_PAD.encode([&vec![0; before], text.as_bytes()].concat());
        let (first, end) = ((before * 8).div_ceil(6), (before + text.len()) * 8 / 6);
        spellings.push(coded[first..end].to_owned());
    }
    spellings
}

fn gather(place: &Path, files: &mut Vec<PathBuf>) {
    match fs::read_dir(place) {
        Ok(entries) => entries
            .filter_map(Result::ok)
            .for_each(|entry| gather(&entry.path(), files)),
        Err(_) if place.is_file() => files.push(place.to_owned()),
        Err(_) => {}
    }
}

#[test]
fn a_secret_is_found_in_a_log_and_in_a_vault_however_it_is_spelt() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    fs::write(&key, "kOq9-key_of-256-random-bits-Kx0Zs_7Yw-Qe4cd=\n").unwrap();
    let (log, data) = (folder.path().join("log"), folder.path().join("data"));
    fs::create_dir(&data).unwrap();
    let (vault, places) = (data.join("vault.db-wal"), [log.clone(), data.clone()]);
    let found = || found(&places, &key);
    assert!(found().is_empty());
    for clear in [
        "canary-access-1".to_owned(),
        "%22canary%2Daccess%2D1".to_owned(),
        "63616e6172792d6163".to_owned(),
        "kOq9-key_of-256-random-bits".to_owned(),
        format!("{:?}", b"code=canary-code-1"),
        STANDARD_NO_PAD.encode("canary-access-1"),
        STANDARD_NO_PAD.encode("a:canary-access-1"),
        STANDARD_NO_PAD.encode("client:canary-access-1"),
    ] {
        for file in [&log, &vault] {
            fs::write(file, format!("before{clear}after")).unwrap();
            assert_eq!(found(), [file.as_path()], "{clear}");
            fs::write(file, "nothing").unwrap();
        }
        assert!(found().is_empty());
    }
}
