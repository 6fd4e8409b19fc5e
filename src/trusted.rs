//! Checks that only this user and root can have written a file or folder: its
//! owner, its mode, its links, and every folder on its path.
//!
//! A program that trusts another user's file, or a name in a folder that others
//! can write, is controlled by that user. Nothing is changed here; each error
//! names the command that corrects it.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Component, Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User, geteuid};

use crate::shell::quoted_path;

/// The most symbolic links on a path; Linux follows as many
/// (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Why a file or folder is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct Untrusted {
    /// The file or folder that was checked.
    pub path: PathBuf,
    /// The reason, and the command that corrects it.
    pub why: String,
}

/// The users who may own a trusted file.
#[derive(Clone, Copy, Debug)]
pub struct Owners {
    own: u32,
    /// The account of a daemon whose vault root works on.
    account: Option<u32>,
    /// The uid shown for root's files in a user namespace without root.
    unmapped_root: Option<u32>,
}

impl Owners {
    /// The user of this process, and root.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self {
            own: geteuid().as_raw(),
            account: None,
            unmapped_root: unmapped_root(),
        }
    }

    /// As [`Self::of_this_process`]; if root runs the command, also the account
    /// that a daemon's data folder belongs to.
    #[must_use]
    pub fn of_data_folder(folder: &Path) -> Self {
        let owner = fs::metadata(folder).ok().map(|metadata| metadata.uid());
        Self {
            account: owner.filter(|_| geteuid().is_root()),
            ..Self::of_this_process()
        }
    }

    fn has(&self, uid: u32) -> bool {
        uid == 0 || uid == self.own || Some(uid) == self.account || Some(uid) == self.unmapped_root
    }

    /// Refuses a file or folder that belongs to another user or that others can
    /// write, and a file with a second name.
    ///
    /// # Errors
    /// [`Untrusted`] with `path`.
    pub fn require_own(&self, path: &Path, metadata: &Metadata) -> Result<(), Untrusted> {
        let shown = quoted_path(path);
        self.require_owner(path, path, metadata)?;
        let (mode, kind) = (metadata.mode(), metadata.file_type());
        // A device such as /dev/null does not store what is written to it.
        if mode & 0o022 != 0 && !kind.is_char_device() {
            let mode = mode & 0o777;
            let why = format!("others can write to it (mode {mode:03o}); run: chmod go-w {shown}");
            return Err(untrusted(path, why));
        }
        // A file that no user can write cannot be changed by its other name
        // either. Package stores share such files by links.
        if kind.is_file() && metadata.nlink() > 1 && mode & 0o222 != 0 {
            let why = format!(
                "it has a second name (a hard link) by which it can be read or changed; run: cp -p {shown} {shown}.copy && mv {shown}.copy {shown}"
            );
            return Err(untrusted(path, why));
        }
        Ok(())
    }

    /// Refuses a path with a folder or a symbolic link of another owner, or
    /// with a folder in which others can replace files. Parts of the path that
    /// do not exist are not checked.
    ///
    /// # Errors
    /// [`Untrusted`] with `path`.
    pub fn require_way(&self, path: &Path) -> Result<(), Untrusted> {
        let failed = |error: io::Error| untrusted(path, error.to_string());
        let absolute = std::path::absolute(path).map_err(failed)?;
        let mut left = names(&absolute);
        let (mut at, mut links) = (PathBuf::from("/"), 0);
        while let Some(name) = left.pop_front() {
            if name == ".." {
                at.pop();
                continue;
            }
            self.require_folder_on_the_way(path, &at)?;
            let next = at.join(name);
            let found = match fs::symlink_metadata(&next) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                found => found.map_err(failed)?,
            };
            if !found.is_symlink() {
                at = next;
                continue;
            }
            self.require_owner(path, &next, &found)?;
            links += 1;
            if links > MOST_LINKS {
                return Err(untrusted(path, "too many symbolic links".to_owned()));
            }
            let target = fs::read_link(&next).map_err(failed)?;
            if target.is_absolute() {
                at = PathBuf::from("/");
            }
            for name in names(&target).into_iter().rev() {
                left.push_front(name);
            }
        }
        Ok(())
    }

    fn require_folder_on_the_way(&self, path: &Path, folder: &Path) -> Result<(), Untrusted> {
        let found = fs::metadata(folder).map_err(|error| untrusted(path, error.to_string()))?;
        self.require_owner(path, folder, &found)?;
        let mode = found.mode();
        // In a sticky folder such as /tmp, users cannot replace each other's
        // files.
        let is_sticky = mode & 0o1000 != 0;
        let by_group = mode & 0o020 != 0 && !is_private_group(found.gid(), found.uid());
        if (mode & 0o002 != 0 || by_group) && !is_sticky {
            let (folder, mode) = (quoted_path(folder), mode & 0o777);
            let why = format!(
                "others can write into the folder {folder}, which is on the way to it (mode {mode:03o}); run: chmod go-w {folder}"
            );
            return Err(untrusted(path, why));
        }
        Ok(())
    }

    /// Refuses `found`, which is at `path` or on the way to it, if it belongs
    /// to another user.
    fn require_owner(&self, path: &Path, at: &Path, found: &Metadata) -> Result<(), Untrusted> {
        let uid = found.uid();
        if self.has(uid) {
            return Ok(());
        }
        let what = if at == path {
            "it".to_owned()
        } else {
            format!("{}, which is on the way to it,", at.display())
        };
        let expected = match self.own {
            0 => "root".to_owned(),
            own => format!("uid {own} or root"),
        };
        let (own, shown) = (Uid::from_raw(self.own), quoted_path(at));
        let why = format!(
            "{what} belongs to uid {uid}, and not to {expected}; if its content is as it should be, run: chown -h {own} {shown}"
        );
        Err(untrusted(path, why))
    }
}

/// The components of a path, without the root.
fn names(path: &Path) -> VecDeque<OsString> {
    let components = path.components();
    let named = components.filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    named.collect()
}

/// Whether a group belongs to one user, as on systems that create a group for
/// each user: it has the user's name and no other member.
fn is_private_group(gid: u32, uid: u32) -> bool {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    let group = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
    user.zip(group).is_some_and(|(user, group)| {
        group.name == user.name && group.mem.iter().all(|member| *member == user.name)
    })
}

/// The uid that root's files show in a user namespace without root
/// (user_namespaces(7)); `None` if this process sees root as root.
fn unmapped_root() -> Option<u32> {
    let map = fs::read_to_string("/proc/self/uid_map").ok()?;
    let has_root = map
        .lines()
        .any(|line| line.split_whitespace().next() == Some("0"));
    if has_root {
        return None;
    }
    let overflow = fs::read_to_string("/proc/sys/kernel/overflowuid").ok();
    Some(
        overflow
            .and_then(|uid| uid.trim().parse().ok())
            .unwrap_or(65_534),
    )
}

fn untrusted(path: &Path, why: String) -> Untrusted {
    Untrusted {
        path: path.to_owned(),
        why,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    /// Another user of the machine.
    const OTHER: u32 = 61_235;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    /// A folder with a folder and a file in it.
    fn file() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("folder");
        fs::create_dir(&folder).unwrap();
        set_mode(&folder, 0o755);
        let file = folder.join("file");
        File::create(&file).unwrap();
        set_mode(&file, 0o644);
        (home, folder, file)
    }

    fn refusal(path: &Path) -> Option<String> {
        let owners = Owners::of_this_process();
        let metadata = fs::metadata(path).unwrap();
        let checked = owners
            .require_way(path)
            .and_then(|()| owners.require_own(path, &metadata));
        checked.err().map(|error| error.to_string())
    }

    #[test]
    fn a_file_that_others_can_write_or_that_has_two_names_is_refused() {
        let (_home, folder, file) = file();
        assert_eq!(refusal(&file), None);
        set_mode(&file, 0o646);
        assert!(refusal(&file).unwrap().contains("run: chmod go-w"));
        set_mode(&file, 0o644);
        fs::hard_link(&file, folder.join("second")).unwrap();
        assert!(refusal(&file).unwrap().contains("second name"));
        set_mode(&file, 0o444);
        assert_eq!(
            refusal(&file),
            None,
            "no user can write a file of a package store"
        );
        assert_eq!(refusal(Path::new("/dev/null")), None);
    }

    #[test]
    fn a_folder_on_the_path_that_others_can_write_is_refused_unless_it_is_sticky() {
        let (_home, folder, file) = file();
        set_mode(&folder, 0o757);
        let why = refusal(&file).unwrap();
        let command = format!("run: chmod go-w {}", folder.display());
        assert!(why.contains(&command), "{why}");
        set_mode(&folder, 0o1777);
        assert_eq!(refusal(&file), None);
    }

    #[test]
    fn each_folder_on_the_path_of_a_link_is_checked() {
        let (home, folder, file) = file();
        let (outer, link) = (home.path().join("outer"), home.path().join("link"));
        fs::create_dir(&outer).unwrap();
        symlink(&folder, outer.join("inner")).unwrap();
        symlink("outer/../outer/inner/file", &link).unwrap();
        assert_eq!(refusal(&link), None);
        set_mode(&outer, 0o777);
        assert!(refusal(&link).unwrap().contains("outer"));
        assert_eq!(refusal(&file), None);
    }

    #[test]
    fn a_file_of_another_user_is_refused_with_the_command_that_corrects_it() {
        if !geteuid().is_root() {
            return; // Only root can give a file away.
        }
        let (home, folder, file) = file();
        chown(&file, Some(OTHER), None).unwrap();
        let why = refusal(&file).unwrap();
        assert!(
            why.contains("it belongs to uid 61235, and not to root"),
            "{why}"
        );
        let command = format!("run: chown -h 0 {}", file.display());
        assert!(why.contains(&command), "{why}");
        chown(&file, Some(0), None).unwrap();

        chown(&folder, Some(OTHER), None).unwrap();
        assert!(refusal(&file).unwrap().contains("on the way to it"));
        let account = Owners::of_data_folder(&folder);
        assert_eq!(account.require_way(&file), Ok(()));
        chown(&folder, Some(0), None).unwrap();

        let link = home.path().join("link");
        symlink(&file, &link).unwrap();
        std::os::unix::fs::lchown(&link, Some(OTHER), None).unwrap();
        let why = refusal(&link).unwrap();
        assert!(why.contains("belongs to uid 61235"), "{why}");
    }

    #[test]
    fn a_path_that_does_not_exist_is_not_refused() {
        let (_home, folder, _) = file();
        let owners = Owners::of_this_process();
        assert_eq!(owners.require_way(&folder.join("new/deep/file")), Ok(()));
    }
}
