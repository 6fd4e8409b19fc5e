//! Changing the settings' file: the one setting that a command changes, and
//! nothing else in it.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::DeTable;

use super::Error;
use super::file::{File, read_trusted};
use crate::vault::KeyStore;

/// Says in the file at `path` which place keeps the vault's key, and leaves
/// the rest of it as it is. The file is made where there is none.
///
/// # Errors
/// A fault in the file, or it cannot be written.
pub fn settle_key_store(path: &Path, store: KeyStore) -> Result<(), Error> {
    let failed = |source: io::Error| Error::Unwritable {
        path: path.to_owned(),
        source,
    };
    let text = read_trusted(path)?.unwrap_or_default();
    File::parse(path, &text)?;
    replace(path, &with_key_store(&text, store)).map_err(failed)
}

/// Replaces the text of the file at `path`, all of it or nothing. Its mode stays
/// as it is; a new file can be read by everybody, since no secret is a setting
/// and the machine's daemon, which is not root, must read what root writes here.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    // Where the name is a link, the file behind it is replaced.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let unfinished = PathBuf::from(unfinished);
    // What a change that was cut off has left; nothing is written through a link.
    if let Err(error) = fs::remove_file(&unfinished)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let written = (|| {
        let mut file = fs::File::create_new(&unfinished)?;
        if let Ok(old) = fs::metadata(&path) {
            file.set_permissions(old.permissions())?;
            fchown(&file, Some(old.uid()), Some(old.gid()))?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        fs::File::open(folder)?.sync_all()
    })();
    if written.is_err() {
        // The first fault is the one to tell.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

/// The settings in `text`, which is valid, with another `key_store`.
pub(super) fn with_key_store(text: &str, store: KeyStore) -> String {
    let value = format!("\"{store}\"");
    let table = DeTable::parse(text).map(Spanned::into_inner);
    let old = table
        .ok()
        .and_then(|table| Some(table.get("key_store")?.span()));
    match old {
        Some(span) => [&text[..span.start], &value, &text[span.end..]].concat(),
        // The file is one flat table: its first line is as good as any. A byte
        // order mark may stand before nothing else.
        None => {
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            format!("key_store = {value}\n{text}")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_place_of_the_key_is_set_and_all_else_is_left() {
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

    #[test]
    fn a_file_that_is_changed_keeps_its_mode_and_the_link_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link] = ["real.toml", "config.toml"].map(|name| folder.path().join(name));
        fs::write(&file, "max_events = 7\n").unwrap();
        // Left by a change that was cut off.
        fs::write(folder.path().join("real.toml.new"), "key").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        settle_key_store(&link, KeyStore::File).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text, "key_store = \"file\"\nmax_events = 7\n");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
