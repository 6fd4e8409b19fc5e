//! Whether a file or folder is one that only this user and root can have
//! written: its owner, its mode, its links, and every folder on the way to it.
//!
//! A program that believes a file of another user's does that user's will, and
//! so does one that looks a name up in a folder which others may write. Nothing
//! is changed here: each refusal names the command that mends it.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Component, Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User, geteuid};

/// Symbolic links on the way to a file, at most: as many as Linux follows
/// (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Why a file or folder is not trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct Untrusted {
    /// The file or folder that was looked at.
    pub path: PathBuf,
    /// What is wrong, and the command that mends it.
    pub why: String,
}

/// Who may own what is trusted.
#[derive(Clone, Copy, Debug)]
pub struct Owners {
    own: u32,
    /// The account of the daemon whose vault root works on.
    account: Option<u32>,
    /// What root's files read as in a user namespace that does not have root.
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

    /// These, and for root's own commands the account that a daemon's data
    /// folder belongs to.
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

    /// Refuses a file or folder of another owner, one that others may write,
    /// and a file that has a second name.
    ///
    /// # Errors
    /// [`Untrusted`] about `path`.
    pub fn require_own(&self, path: &Path, metadata: &Metadata) -> Result<(), Untrusted> {
        let shown = shell_quoted(path);
        self.require_owner(path, path, metadata)?;
        let (mode, kind) = (metadata.mode(), metadata.file_type());
        // Nothing that is written into a device, such as /dev/null, stays there.
        if mode & 0o022 != 0 && !kind.is_char_device() {
            let mode = mode & 0o777;
            let why = format!("others can write to it (mode {mode:03o}); run: chmod go-w {shown}");
            return Err(untrusted(path, why));
        }
        // What nobody may write cannot be changed under its other name, either:
        // package stores keep such files once.
        if kind.is_file() && metadata.nlink() > 1 && mode & 0o222 != 0 {
            let why = format!(
                "it has a second name (a hard link) by which it can be read or changed; run: cp -p {shown} {shown}.copy && mv {shown}.copy {shown}"
            );
            return Err(untrusted(path, why));
        }
        Ok(())
    }

    /// Refuses a path that leads through a folder or a symbolic link of another
    /// owner, or through a folder in which others may replace what is there.
    /// What does not exist yet is not looked at.
    ///
    /// # Errors
    /// [`Untrusted`] about `path`.
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
        // In a sticky folder such as /tmp nobody replaces another's files.
        let is_sticky = mode & 0o1000 != 0;
        let by_group = mode & 0o020 != 0 && !is_private_group(found.gid(), found.uid());
        if (mode & 0o002 != 0 || by_group) && !is_sticky {
            let (folder, mode) = (shell_quoted(folder), mode & 0o777);
            let why = format!(
                "others can write into the folder {folder}, which is on the way to it (mode {mode:03o}); run: chmod go-w {folder}"
            );
            return Err(untrusted(path, why));
        }
        Ok(())
    }

    /// Refuses `found`, which is at `path` or on the way to it, if it is another
    /// user's.
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
        let (own, shown) = (Uid::from_raw(self.own), shell_quoted(at));
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

/// Whether a group is that of one user alone, as many systems give each user
/// one: it has the user's name and no other member.
fn is_private_group(gid: u32, uid: u32) -> bool {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    let group = Group::from_gid(Gid::from_raw(gid)).ok().flatten();
    user.zip(group).is_some_and(|(user, group)| {
        group.name == user.name && group.mem.iter().all(|member| *member == user.name)
    })
}

/// The uid that root's files show in a user namespace that does not have root
/// (user_namespaces(7)); `None` where root is root.
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

/// A path as a shell takes it.
#[must_use]
pub fn shell_quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    if text.chars().all(is_plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
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
    fn a_file_that_others_write_or_that_has_two_names_is_refused() {
        let (_home, folder, file) = file();
        assert_eq!(refusal(&file), None);
        set_mode(&file, 0o646);
        assert!(refusal(&file).unwrap().contains("run: chmod go-w"));
        set_mode(&file, 0o644);
        fs::hard_link(&file, folder.join("second")).unwrap();
        assert!(refusal(&file).unwrap().contains("second name"));
        set_mode(&file, 0o444);
        assert_eq!(refusal(&file), None, "nobody writes a package store's file");
        assert_eq!(refusal(Path::new("/dev/null")), None);
    }

    #[test]
    fn a_folder_on_the_way_that_others_write_is_refused_unless_it_is_sticky() {
        let (_home, folder, file) = file();
        set_mode(&folder, 0o757);
        let why = refusal(&file).unwrap();
        let command = format!("run: chmod go-w {}", folder.display());
        assert!(why.contains(&command), "{why}");
        set_mode(&folder, 0o1777);
        assert_eq!(refusal(&file), None);
    }

    #[test]
    fn each_folder_that_a_link_leads_through_is_looked_at() {
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
    fn what_another_user_owns_is_refused_with_the_command_that_mends_it() {
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
    fn what_is_not_there_yet_is_not_refused() {
        let (_home, folder, _) = file();
        let owners = Owners::of_this_process();
        assert_eq!(owners.require_way(&folder.join("new/deep/file")), Ok(()));
    }

    #[test]
    fn a_path_with_blanks_is_quoted_for_the_shell() {
        assert_eq!(shell_quoted(Path::new("/a/b-c.db")), "/a/b-c.db");
        assert_eq!(shell_quoted(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
