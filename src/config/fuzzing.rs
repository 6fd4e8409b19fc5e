//! The properties of every text in the settings file: an error is one line that names
//! a line of the file, and `key_store` can be set in every valid file without changing
//! the rest.

use std::path::Path;

use clap::ValueEnum as _;

use super::change::with_key_store;
use super::file::File;
use crate::vault::KeyStore;

/// The path in error messages.
const PATH: &str = "/etc/agent-authd/config.toml";

/// The target `config_file`.
pub(crate) fn config_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match File::parse(Path::new(PATH), text) {
        Ok(file) => assert_key_store_can_be_set(text, &file),
        Err(error) => assert_names_a_line(text, &error.to_string()),
    }
}

/// `PATH, line N: what is wrong`, where line N is one of the file's.
fn assert_names_a_line(text: &str, said: &str) {
    assert!(!said.contains(char::is_control), "{said:?}");
    let place = said.strip_prefix(PATH);
    let place = place.and_then(|rest| rest.strip_prefix(", line "));
    let line = place.and_then(|rest| rest.split(':').next()?.parse().ok());
    let lines = text.split('\n').count();
    assert!(
        line.is_some_and(|line: usize| (1..=lines).contains(&line)),
        "{said:?}, of {lines} lines"
    );
}

fn assert_key_store_can_be_set(text: &str, file: &File) {
    for store in KeyStore::value_variants() {
        let changed = with_key_store(text, *store);
        let read = File::parse(Path::new(PATH), &changed);
        let expected = File {
            key_store: Some(*store),
            ..file.clone()
        };
        assert_eq!(read.ok(), Some(expected), "{changed:?}");
        assert_eq!(with_key_store(&changed, *store), changed);
        let comments = |text: &str| text.matches('#').count();
        assert_eq!(comments(&changed), comments(text), "{changed:?}");
    }
}
