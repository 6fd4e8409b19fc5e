//! The process itself: closed to others of the same user, confined to its own
//! folders, and without a trace of its memory when it fails.

use anyhow::Context as _;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::config::Config;
use crate::log_limit::log_limited;

/// Descriptors kept for the vault and for requests to providers.
const OWN_DESCRIPTORS: usize = 128;

/// Closes the process: no core dump, and no look at its memory or environment
/// by other processes of the same user (prctl(2), `PR_SET_DUMPABLE`).
pub(super) fn harden() -> anyhow::Result<()> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0).context("core dumps cannot be switched off")?;
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_dumpable(false).context("the process cannot be closed to others")?;
    Ok(())
}

/// How many of the `wanted` connections each of the two listeners may have:
/// all of them where the system allows that many descriptors. The soft limit,
/// often 1,024 for the sake of select(2), is raised to the hard one first.
pub(super) fn affordable_connections(wanted: usize) -> usize {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return wanted;
    };
    let raised = setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok();
    let limit = usize::try_from(if raised { hard } else { soft }).unwrap_or(usize::MAX);
    let affordable = (limit.saturating_sub(OWN_DESCRIPTORS) / 2).max(1);
    if affordable < wanted {
        tracing::warn!(
            limit,
            affordable,
            "fewer connections than set can be served: raise the limit of open files"
        );
    }
    wanted.min(affordable)
}

/// Confines the process to writing below the folders of its vault, key and
/// socket, and to starting no program: what a defect could do to the rest of
/// the user's files ends there. Threads that exist already are not confined.
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
        let is_everybodys = config.system && Some(*folder) == socket_folder;
        let mode = if is_everybodys { 0o755 } else { 0o700 };
        // A rule needs its folder. One that cannot be made is told of later, by
        // whoever needs it.
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

/// Other systems confine a daemon from outside, if at all.
#[cfg(not(target_os = "linux"))]
pub(super) fn confine(_: &Config) {}

/// Logs where a panic happened. Its payload may hold a value, and so is not
/// shown.
pub(super) fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        log_limited!(
            20,
            error,
            place,
            "a defect was met; the call was given up, the daemon goes on"
        );
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
        assert!(shown.contains("src/daemon/process.rs:"), "{shown}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}
