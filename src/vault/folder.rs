//! The vault's folder: private, and on a local disk.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::{Error, FILE};
use crate::trusted::{Owners, Untrusted};

/// Creates the folder with a private mode if it is missing, and returns its
/// resolved path. A folder above the vault's file may be a symbolic link, but
/// not the file. An existing folder keeps its mode. It is refused if it belongs
/// to none of the `owners`, or if others could create files in it or replace
/// it.
pub(super) fn private(folder: &Path, owners: &Owners) -> Result<PathBuf, Error> {
    let refuse = |why: String| Error::Open {
        path: folder.to_owned(),
        why,
    };
    let open = |error: std::io::Error| refuse(error.to_string());
    let trusted = |error: Untrusted| refuse(error.why);
    owners.require_way(folder).map_err(trusted)?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(open)?;
    let found = fs::metadata(folder).map_err(open)?;
    owners.require_own(folder, &found).map_err(trusted)?;
    if let Some(kind) = network(folder) {
        return Err(Error::OnNetwork {
            folder: folder.to_owned(),
            kind: kind.to_string(),
        });
    }
    folder.canonicalize().map_err(open)
}

/// The resolved path of a folder that contains a vault.
///
/// # Errors
/// [`Error::NoVault`].
pub(super) fn existing(folder: &Path) -> Result<PathBuf, Error> {
    let real = folder.canonicalize().ok();
    real.filter(|folder| folder.join(FILE).is_file())
        .ok_or_else(|| Error::NoVault {
            folder: folder.to_owned(),
        })
}

/// The network file system that a folder is on; `None` for a local disk, or if
/// the system does not report it.
#[cfg(target_os = "linux")]
fn network(folder: &Path) -> Option<&'static str> {
    let found = nix::sys::statfs::statfs(folder).ok()?;
    network_kind(found.filesystem_type().0)
}

#[cfg(not(target_os = "linux"))]
fn network(_: &Path) -> Option<&'static str> {
    None
}

/// The name of a network file system by its magic number (statfs(2)).
#[cfg(target_os = "linux")]
fn network_kind(magic: impl Into<i64>) -> Option<&'static str> {
    // The numbers have 32 bits, in a signed or an unsigned type depending on
    // the platform.
    match magic.into() & 0xffff_ffff {
        0x6969 => Some("NFS"),
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => Some("SMB"),
        0x5346_414f | 0x6b41_4653 => Some("AFS"),
        0x00c3_6400 => Some("Ceph"),
        0x7375_7245 => Some("Coda"),
        _ => None,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn network_file_systems_are_recognized() {
        assert_eq!(network_kind(0x6969), Some("NFS"));
        // SMB's number in a signed type of 32 bits.
        assert_eq!(network_kind(0xfe53_4d42_u32.cast_signed()), Some("SMB"));
        let disks: [i64; 5] = [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630];
        for disk in disks {
            assert_eq!(network_kind(disk), None, "{disk:x}");
        }
    }

    #[test]
    fn a_local_disk_is_not_a_network_file_system() {
        assert_eq!(network(Path::new("/proc")), None);
    }

    #[test]
    fn a_folder_that_others_can_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let refused = private(folder.path(), &Owners::of_this_process());
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("chmod go-w"), "{error}");
    }
}
