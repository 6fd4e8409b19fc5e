//! What is to be done, laid down first, then done step by step or only told.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use crate::cli::output;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Write a file that others may read, if it is not so already.
    Write(PathBuf, String),
    /// Remove a file, if it is there.
    Remove(PathBuf),
    /// Run a command, which must succeed.
    Run(Vec<String>),
    /// Run a command; that it fails is no matter.
    Try(Vec<String>),
    /// Run a command and end as it does.
    End(Vec<String>),
    /// Say something, whether or not anything is done.
    Note(String),
    /// Say what all steps together have done.
    Done {
        /// The sentence after they were taken.
        done: String,
        /// The sentence of a dry run.
        would: String,
    },
}

/// A command in arguments.
pub(super) fn arguments(command: &[&str]) -> Vec<String> {
    command.iter().map(|word| (*word).to_owned()).collect()
}

/// Takes every step in turn, or tells what it would be.
pub(super) fn run(steps: &[Step], dry_run: bool) -> Result<ExitCode> {
    for step in steps {
        if dry_run {
            output::line(&describe(step))?;
        } else if let Some(code) = step_taken(step)? {
            return Ok(code);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(step: &Step) -> String {
    match step {
        Step::Write(path, _) => format!("would write {}", path.display()),
        Step::Remove(path) => format!("would remove {} if it is there", path.display()),
        Step::Run(command) | Step::Try(command) | Step::End(command) => {
            format!("would run {}", command.join(" "))
        }
        Step::Note(text) => text.clone(),
        Step::Done { would, .. } => would.clone(),
    }
}

/// Takes one step; an exit code ends all.
fn step_taken(step: &Step) -> Result<Option<ExitCode>> {
    match step {
        Step::Write(path, content) => {
            let written = write(path, content);
            let written =
                written.with_context(|| format!("{} cannot be written", path.display()))?;
            let word = if written { "wrote" } else { "unchanged:" };
            output::line(&format!("{word} {}", path.display()))?;
        }
        Step::Remove(path) => match fs::remove_file(path) {
            Ok(()) => output::line(&format!("removed {}", path.display()))?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("{} cannot be removed", path.display()));
            }
        },
        Step::Run(command) => {
            output::line(&format!("running {}", command.join(" ")))?;
            if code_of(command)? != 0 {
                bail!("`{}` failed", command.join(" "));
            }
        }
        Step::Try(command) => {
            output::line(&format!("running {}", command.join(" ")))?;
            code_of(command)?;
        }
        Step::End(command) => {
            let code = u8::try_from(code_of(command)?).unwrap_or(1);
            return Ok(Some(ExitCode::from(code)));
        }
        Step::Note(text) => output::line(text)?,
        Step::Done { done, .. } => output::line(done)?,
    }
    Ok(None)
}

/// Writes `content` in one move, unless it is there already; whether it was
/// written.
fn write(path: &Path, content: &str) -> io::Result<bool> {
    if fs::read_to_string(path).is_ok_and(|found| found == content) {
        return Ok(false);
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
        .open(&name)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()?;
    fs::rename(name, path)?;
    Ok(true)
}

/// Runs a command on this terminal; its exit code, 1 where a signal ended it.
fn code_of(command: &[String]) -> Result<i32> {
    let Some((program, arguments)) = command.split_first() else {
        bail!("there is no command to run");
    };
    let status = Command::new(program).args(arguments).status();
    let status = status.with_context(|| format!("{program} cannot be run"))?;
    Ok(status.code().unwrap_or(1))
}
