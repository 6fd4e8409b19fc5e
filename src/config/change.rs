//! Changes `key_store` in the settings file, the only setting that a command
//! changes, and leaves the rest of the file as it is.

use std::path::Path;

use toml::Spanned;
use toml::de::DeTable;

use super::Error;
use super::file::{File, read_trusted};
use crate::atomic_file;
use crate::vault::KeyStore;

/// Sets `key_store` in the settings file at `path`. A missing file is created.
/// Every user can read a new file: no secret is a setting, and the system
/// daemon, which does not run as root, must read what root writes here.
///
/// # Errors
/// The file has an error, or it cannot be written.
pub fn set_key_store(path: &Path, store: KeyStore) -> Result<(), Error> {
    let text = read_trusted(path)?.unwrap_or_default();
    File::parse(path, &text)?;
    atomic_file::replace(path, &with_key_store(&text, store)).map_err(|source| Error::Unwritable {
        path: path.to_owned(),
        source,
    })
}

/// `text`, a valid settings file, with another `key_store`.
pub(super) fn with_key_store(text: &str, store: KeyStore) -> String {
    let value = format!("\"{store}\"");
    let table = DeTable::parse(text).map(Spanned::into_inner);
    let old = table
        .ok()
        .and_then(|table| Some(table.get("key_store")?.span()));
    match old {
        Some(span) => [&text[..span.start], &value, &text[span.end..]].concat(),
        // In a flat table every line is as good as the first. A byte order mark
        // must stay the first character, so it is removed.
        None => {
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            format!("key_store = {value}\n{text}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_store_changes() {
        let set = |text| with_key_store(text, KeyStore::File);
        assert_eq!(set(""), "key_store = \"file\"\n");
        assert_eq!(
            set("# mine\nmax_events = 7"),
            "key_store = \"file\"\n# mine\nmax_events = 7"
        );
        assert_eq!(
            set("# mine\nkey_store='auto' # for now\n"),
            "# mine\nkey_store=\"file\" # for now\n"
        );
    }
}
