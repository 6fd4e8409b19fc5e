//! Signals on their way to the command.

use std::fs::File;
use std::io;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgrp, tcgetpgrp};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// What people and supervisors send to end a program or to tell it something.
const HANDED_ON: [Signal; 6] = [
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// The signals as they come.
pub(super) type Received = UnboundedReceiver<Signal>;

/// Listens to the signals that are handed on; from here on none of them ends
/// this process.
///
/// One that is ignored, as `nohup` ignores SIGHUP, stays ignored, here and in
/// the command, which inherits that.
///
/// # Errors
/// The system refuses to deliver them.
pub(super) fn listen() -> io::Result<Received> {
    let (sender, receiver) = unbounded_channel();
    let ignored = ignored();
    for number in HANDED_ON {
        if ignored & (1 << (number as u32 - 1)) != 0 {
            continue;
        }
        let mut stream = signal(SignalKind::from_raw(number as i32))?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while stream.recv().await.is_some() && sender.send(number).is_ok() {}
        });
    }
    Ok(receiver)
}

/// Hands a signal on to the child, unless it has it already.
pub(super) fn hand_on(signal: Signal, child: u32) {
    let is_typed = matches!(signal, Signal::SIGINT | Signal::SIGQUIT);
    if is_typed && is_in_foreground() {
        return; // the terminal has sent it to the child too
    }
    if let Ok(child) = i32::try_from(child) {
        kill(Pid::from_raw(child), signal).ok(); // it may have ended just now
    }
}

/// Whether this process, and its child with it, gets what is typed at the
/// terminal.
fn is_in_foreground() -> bool {
    File::open("/dev/tty").is_ok_and(|tty| tcgetpgrp(tty) == Ok(getpgrp()))
}

/// The signals that were ignored when this process began, a bit for each
/// (`SigIgn` of proc(5)); none where the system does not tell.
fn ignored() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
            u64::from_str_radix(mask?.trim(), 16).ok()
        })
        .unwrap_or(0)
}
