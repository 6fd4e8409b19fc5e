//! Forwards signals to the command.

use std::fs::File;
use std::io;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgrp, tcgetpgrp};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// The signals that are forwarded.
const FORWARDED: [Signal; 6] = [
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// The signals that were received.
pub(super) type Received = UnboundedReceiver<Signal>;

/// Receives the signals that are forwarded. From now on none of them ends this process.
///
/// An ignored signal, such as SIGHUP under `nohup`, stays ignored, also in the
/// command, which inherits this.
///
/// # Errors
/// A signal handler cannot be installed.
pub(super) fn listen() -> io::Result<Received> {
    let (sender, receiver) = unbounded_channel();
    let ignored = ignored();
    for number in FORWARDED {
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

/// Forwards a signal to the child, unless the terminal sends it to the child, too.
pub(super) fn forward(signal: Signal, child: u32) {
    let is_typed = matches!(signal, Signal::SIGINT | Signal::SIGQUIT);
    if is_typed && is_in_foreground() {
        return; // the terminal sends it to the child, too
    }
    if let Ok(child) = i32::try_from(child) {
        kill(Pid::from_raw(child), signal).ok(); // the child may have ended
    }
}

/// Whether this process and its child are in the terminal's foreground.
fn is_in_foreground() -> bool {
    File::open("/dev/tty").is_ok_and(|tty| tcgetpgrp(tty) == Ok(getpgrp()))
}

/// The signals that were ignored when this process started, one bit for each
/// (`SigIgn` in proc(5)); 0 if the system does not report them.
fn ignored() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
            u64::from_str_radix(mask?.trim(), 16).ok()
        })
        .unwrap_or(0)
}
