//! The key file: made once, at mode 0600, in another folder than the vault.
//!
//! A copied or stolen vault is worth nothing without it. It is never made over
//! rows that another key has sealed, and never read from the environment.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use zeroize::Zeroizing;

use super::Error;
use crate::clock::Ambient;
use crate::secret::{ExposeSecret as _, VaultKey};

/// A key file holds 44 characters and a line end; more is something else.
const MAX_BYTES: u64 = 1024;

/// Reads the key, or `None` if there is no such file.
///
/// # Errors
/// [`Error::KeyFile`] if it cannot be read, or others than its owner could.
pub(super) fn load(path: &Path) -> Result<Option<VaultKey>, Error> {
    let refuse = |why: String| Error::KeyFile {
        path: path.to_owned(),
        why,
    };
    let file = match OpenOptions::new()
        .read(true)
        .custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits())
        .open(path)
    {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refuse(error.to_string())),
    };
    let metadata = file.metadata().map_err(|error| refuse(error.to_string()))?;
    if !metadata.is_file() {
        return Err(refuse("it is not a file".to_owned()));
    }
    if metadata.mode() & 0o077 != 0 {
        let mode = metadata.mode() & 0o777;
        return Err(refuse(format!(
            "others can read it (mode {mode:03o}); run: chmod 600 {}",
            path.display()
        )));
    }
    let mut text = Zeroizing::new(String::with_capacity(
        usize::try_from(MAX_BYTES).unwrap_or(0),
    ));
    file.take(MAX_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| refuse(error.to_string()))?;
    Ok(Some(VaultKey::new(Zeroizing::new(text.trim().to_owned()))))
}

/// Makes a new key and its file, with its folder where that is missing, and
/// waits until both are on the disk: rows sealed with it must never outlive it.
///
/// # Errors
/// [`Error::KeyFile`] if the file cannot be made, or is there already.
#[expect(
    clippy::disallowed_methods,
    reason = "the key is written to its own file"
)]
pub(super) fn create(path: &Path, ambient: &Ambient) -> Result<VaultKey, Error> {
    let refuse = |error: io::Error| Error::KeyFile {
        path: path.to_owned(),
        why: error.to_string(),
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(refuse)?;
    let mut bytes = Zeroizing::new([0; 32]);
    ambient.entropy.fill(bytes.as_mut());
    let key = VaultKey::new(Zeroizing::new(URL_SAFE.encode(bytes.as_ref())));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(refuse)?;
    file.write_all(key.expose_secret().as_bytes())
        .map_err(refuse)?;
    file.write_all(b"\n").map_err(refuse)?;
    file.sync_all().map_err(refuse)?;
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(refuse)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "compared, in a test")]
    fn a_key_is_made_once_private_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/vault.key");
        assert!(load(&path).unwrap().is_none());
        let made = create(&path, &Ambient::system()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(
            load(&path).unwrap().unwrap().expose_secret(),
            made.expose_secret()
        );
        assert!(matches!(
            create(&path, &Ambient::system()),
            Err(Error::KeyFile { .. })
        ));
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.key");
        create(&path, &Ambient::system()).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let Err(error) = load(&path) else {
            panic!("a readable key was taken")
        };
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
}
