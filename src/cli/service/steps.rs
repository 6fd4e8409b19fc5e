//! The steps of a command: first listed, then done or, in a dry run, printed.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use crate::atomic_file;
use crate::cli::output;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Write a file that every user can read, unless it is up to date.
    Write(PathBuf, String),
    /// Remove a file, if it exists.
    Remove(PathBuf),
    /// Run a command, which must succeed.
    Run(Vec<String>),
    /// Run a command; a failure is ignored.
    Try(Vec<String>),
    /// Run a command and return its exit code.
    End(Vec<String>),
    /// Print a note.
    Note(String),
    /// Print the result of all steps.
    Done {
        /// The sentence after the steps were done.
        done: String,
        /// The sentence of a dry run.
        would: String,
    },
}

/// A command as a list of arguments.
pub(super) fn arguments(command: &[&str]) -> Vec<String> {
    command.iter().map(|word| (*word).to_owned()).collect()
}

/// Does each step in turn, or only prints it.
pub(super) fn run(steps: &[Step], dry_run: bool) -> Result<ExitCode> {
    for step in steps {
        if dry_run {
            output::line(&describe(step))?;
        } else if let Some(code) = execute(step)? {
            return Ok(code);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(step: &Step) -> String {
    match step {
        Step::Write(path, _) => format!("would write {}", path.display()),
        Step::Remove(path) => format!("would remove {}, if it exists", path.display()),
        Step::Run(command) | Step::Try(command) | Step::End(command) => {
            format!("would run {}", command.join(" "))
        }
        Step::Note(text) => text.clone(),
        Step::Done { would, .. } => would.clone(),
    }
}

/// Does one step. An exit code ends the command.
fn execute(step: &Step) -> Result<Option<ExitCode>> {
    match step {
        Step::Write(path, content) => {
            let written = write(path, content);
            let written = written.with_context(|| format!("cannot write {}", path.display()))?;
            let word = if written { "wrote" } else { "unchanged:" };
            output::line(&format!("{word} {}", path.display()))?;
        }
        Step::Remove(path) => match fs::remove_file(path) {
            Ok(()) => output::line(&format!("removed {}", path.display()))?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot remove {}", path.display()));
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

/// Writes `content` unless the file has it already; whether it was written.
fn write(path: &Path, content: &str) -> io::Result<bool> {
    if fs::read_to_string(path).is_ok_and(|found| found == content) {
        return Ok(false);
    }
    atomic_file::replace(path, content)?;
    Ok(true)
}

/// Runs a command on this terminal; its exit code, or 1 if a signal ended it.
fn code_of(command: &[String]) -> Result<i32> {
    let Some((program, arguments)) = command.split_first() else {
        bail!("the command is empty");
    };
    let status = Command::new(program).args(arguments).status();
    let status = status.with_context(|| format!("cannot run {program}"))?;
    Ok(status.code().unwrap_or(1))
}
