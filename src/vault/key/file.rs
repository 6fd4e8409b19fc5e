//! The key in a file with mode 0600, in another folder than the vault.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{Error, KeyRing, KeyStore, MAX_BYTES, Store, unusable};
use crate::shell::quoted_path;
use crate::trusted::Owners;
use crate::vault::ownership;

/// The key file.
#[derive(Debug)]
pub(super) struct KeyFile {
    path: PathBuf,
    /// The users who may own it.
    owners: Owners,
}

impl KeyFile {
    /// The key file at `path` for the vault in `data_dir`.
    ///
    /// # Errors
    /// [`Error::KeyBesideVault`].
    pub(super) fn beside(data_dir: &Path, path: &Path) -> Result<Self, Error> {
        let real = |folder: &Path| folder.canonicalize().ok();
        let folder = path.parent().and_then(real);
        if folder.is_some() && folder == real(data_dir) {
            return Err(Error::KeyBesideVault {
                path: path.to_owned(),
            });
        }
        Ok(Self {
            path: path.to_owned(),
            owners: Owners::of_data_folder(data_dir),
        })
    }

    fn refuse(&self, why: impl ToString) -> Error {
        unusable(&self.place(), why)
    }

    /// Refuses a key file that others could read or replace.
    fn require_private(&self, metadata: &Metadata) -> Result<(), Error> {
        let mode = metadata.mode() & 0o777;
        if mode & 0o077 != 0 {
            let path = quoted_path(&self.path);
            return Err(self.refuse(format!(
                "others can read it (mode {mode:03o}); run: chmod 600 {path}"
            )));
        }
        self.owners
            .require_own(&self.path, metadata)
            .map_err(|error| self.refuse(error.why))
    }

    /// Writes a file beside `path` durably, and gives it its final name with
    /// `name`.
    fn write(
        &self,
        path: &Path,
        ring: &KeyRing,
        name: impl FnOnce(&Path, &Path) -> io::Result<()>,
    ) -> Result<(), Error> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let unfinished = unfinished(path);
        let written = (|| {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
            // Nothing was sealed with a key that an interrupted write has left.
            let _ = fs::remove_file(&unfinished);
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&unfinished)?;
            ownership::chown_to_parent(&file, folder)?;
            file.write_all(ring.to_text().as_bytes())?;
            file.sync_all()?;
            name(&unfinished, path)?;
            sync_folder(folder)
        })();
        if written.is_err() {
            // The first error is reported.
            let _ = fs::remove_file(&unfinished);
        }
        written.map_err(|error| self.refuse(error))
    }
}

impl Store for KeyFile {
    fn kind(&self) -> KeyStore {
        KeyStore::File
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn load(&self) -> Result<Option<KeyRing>, Error> {
        let trusted = self.owners.require_way(&self.path);
        trusted.map_err(|error| self.refuse(error.why))?;
        remove_second_name(&self.path);
        let file = match open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.refuse(error)),
        };
        let metadata = file.metadata().map_err(|error| self.refuse(error))?;
        self.require_private(&metadata)?;
        read(file, &self.place()).map(Some)
    }

    fn create(&self, ring: &KeyRing) -> Result<(), Error> {
        // Unlike a rename, a link does not replace an existing file.
        self.write(&self.path, ring, |unfinished, path| {
            fs::hard_link(unfinished, path)?;
            fs::remove_file(unfinished)
        })
    }

    fn replace(&self, ring: &KeyRing) -> Result<(), Error> {
        // If the name is a symbolic link, its target is replaced. Otherwise the
        // old key would remain there.
        let path = self
            .path
            .canonicalize()
            .map_err(|error| self.refuse(error))?;
        self.write(&path, ring, |unfinished, path| fs::rename(unfinished, path))
    }

    fn remove(&self) -> Result<(), Error> {
        let path = self
            .path
            .canonicalize()
            .map_err(|error| self.refuse(error))?;
        fs::remove_file(&path).map_err(|error| self.refuse(error))?;
        sync_folder(path.parent().unwrap_or(Path::new("."))).map_err(|error| self.refuse(error))
    }
}

/// The name of a key file until it is complete.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

/// Removes the temporary name of a key file if a crash occurred between its two
/// names.
fn remove_second_name(path: &Path) {
    let identity = |path: &Path| {
        let found = fs::symlink_metadata(path).ok()?;
        Some((found.dev(), found.ino()))
    };
    let second = unfinished(path);
    if identity(&second).is_some_and(|found| Some(found) == identity(path)) {
        // If this fails, the key is refused with a remedy.
        let _ = fs::remove_file(second);
    }
}

/// Opens a file for reading. Does not block if it is a pipe.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits())
        .open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::other("it is not a file"))
}

/// Reads a ring from an open file.
pub(super) fn read(file: File, place: &str) -> Result<KeyRing, Error> {
    let capacity = usize::try_from(MAX_BYTES).unwrap_or(0);
    let mut text = Zeroizing::new(String::with_capacity(capacity));
    file.take(MAX_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| unusable(place, error))?;
    KeyRing::parse(&text, place)
}

/// Waits until the names in a folder are on the disk.
pub(in crate::vault) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::create;
    use super::*;
    use crate::clock::Env;

    fn key_file(folder: &tempfile::TempDir) -> KeyFile {
        KeyFile::beside(
            Path::new("/nonexistent"),
            &folder.path().join("deep/vault.key"),
        )
        .unwrap()
    }

    #[test]
    fn a_key_is_created_once_with_a_private_mode_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let store = key_file(&folder);
        assert!(store.load().unwrap().is_none());
        let made = create(&store, &Env::system()).unwrap();
        assert_eq!(fs::metadata(&store.path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(*store.load().unwrap().unwrap().to_text(), *made.to_text());
        assert!(create(&store, &Env::system()).is_err());
        assert_eq!(*store.load().unwrap().unwrap().to_text(), *made.to_text());
    }

    #[test]
    fn the_target_of_a_link_is_replaced_with_the_new_key() {
        let folder = tempfile::tempdir().unwrap();
        let store = key_file(&folder);
        create(&store, &Env::system()).unwrap();
        let real = folder.path().join("real.key");
        fs::rename(&store.path, &real).unwrap();
        std::os::unix::fs::symlink(&real, &store.path).unwrap();
        let newer = KeyRing::generate(&Env::system());
        store.replace(&newer).unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), *newer.to_text());
        assert!(fs::symlink_metadata(&store.path).unwrap().is_symlink());
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = key_file(&folder);
        create(&store, &Env::system()).unwrap();
        fs::set_permissions(&store.path, Permissions::from_mode(0o644)).unwrap();
        let error = store.load().unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_key_with_a_temporary_name_left_by_a_crash_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let store = key_file(&folder);
        create(&store, &Env::system()).unwrap();
        fs::hard_link(&store.path, unfinished(&store.path)).unwrap();
        assert!(store.load().unwrap().is_some());
        assert!(!unfinished(&store.path).exists());
        fs::hard_link(&store.path, folder.path().join("another")).unwrap();
        let error = store.load().unwrap_err().to_string();
        assert!(error.contains("second name"), "{error}");
    }

    #[test]
    fn a_key_in_the_vaults_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = KeyFile::beside(folder.path(), &folder.path().join("vault.key"));
        assert!(matches!(error, Err(Error::KeyBesideVault { .. })));
    }
}
