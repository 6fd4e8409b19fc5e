//! Protection of the process: closed to other processes of the same user,
//! confined to its own folders, and without its memory in logs or core dumps.

use anyhow::Context as _;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::config::Config;
use crate::log_limit::log_limited;

/// Closes the process: no core dump, and no look at its memory or environment
/// by other processes of the same user (prctl(2), `PR_SET_DUMPABLE`).
pub(super) fn harden() -> anyhow::Result<()> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0).context("core dumps cannot be switched off")?;
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_dumpable(false).context("the process cannot be closed to others")?;
    Ok(())
}

/// Raises the soft limit of open files, often 1,024 for the sake of select(2),
/// to the hard one. Without it, fewer connections are served.
pub(super) fn raise_descriptor_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::debug!(error = %error, "the limit of open files stays as it is");
    }
}

/// Confines the process to writing below the folders of its vault, key and
/// socket, and forbids it to start programs, so that a defect cannot harm the
/// user's other files. Threads that exist already are not confined.
///
/// Best effort: a kernel without Landlock (before Linux 5.13) confines nothing.
#[cfg(target_os = "linux")]
pub(super) fn confine(config: &Config) {
    use std::fs::DirBuilder;
    use std::os::unix::fs::DirBuilderExt as _;
    use std::path::Path;

    use landlock::{
        ABI, AccessFs, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
        RulesetCreatedAttr as _, path_beneath_rules,
    };
    let key_folder = config.key_file.parent();
    let socket_folder = config.socket.parent();
    let folders = [Some(config.data_dir.as_path()), key_folder, socket_folder];
    let folders: Vec<&Path> = folders.into_iter().flatten().collect();
    for folder in &folders {
        let is_public = config.system && Some(*folder) == socket_folder;
        let mode = if is_public { 0o755 } else { 0o700 };
        // A rule needs its folder. The daemon reports later if one cannot be made.
        DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(folder)
            .ok();
    }
    let writing = AccessFs::from_write(ABI::V5);
    let restricted = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(writing | AccessFs::Execute)
        .and_then(Ruleset::create)
        .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(&folders, writing)))
        .and_then(landlock::RulesetCreated::restrict_self);
    match restricted {
        Ok(status) => tracing::debug!(landlock = ?status.ruleset, "confined"),
        Err(error) => tracing::warn!(error = %error, "the process is not confined"),
    }
}

/// There is no Landlock on other systems.
#[cfg(not(target_os = "linux"))]
pub(super) fn confine(_: &Config) {}

/// Logs where a panic happened. Its payload may hold a value, and so is not
/// shown.
pub(super) fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        log_limited!(20, error, place, "panic in a task; its request was aborted");
    }));
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A log that a test reads.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_shows_its_place_and_never_its_payload() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .finish();
        let usual = std::panic::take_hook();
        report_panics();
        let panicked = tracing::subscriber::with_default(subscriber, || {
            std::panic::catch_unwind(|| panic!("canary"))
        });
        std::panic::set_hook(usual);
        assert!(panicked.is_err());
        let shown = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(shown.contains("src/process/hardening.rs:"), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}
