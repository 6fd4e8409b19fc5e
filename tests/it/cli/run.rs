//! `agent-auth run`: what the command finds, and how it ends.

use std::io::{BufRead as _, BufReader};
use std::process::Child;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::{Daemon, agent_auth, ran, stderr, stdout};

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
}

#[test]
fn the_commands_exit_code_is_handed_on() {
    let daemon = Daemon::answering(&[]);
    for (script, code) in [("exit 0", 0), ("exit 42", 42), ("kill -9 $$", 137)] {
        let output = ran(&daemon, &["run", "--", "sh", "-c", script]);
        assert_eq!(output.status.code(), Some(code), "{script}");
    }
}

#[test]
fn a_command_that_cannot_be_run_ends_as_a_shell_would_have_it() {
    let daemon = Daemon::answering(&[]);
    let output = ran(&daemon, &["run", "--", "no-such-command"]);
    assert_eq!(output.status.code(), Some(127));
    assert!(stderr(&output).contains("no-such-command: command not found"));
    let output = ran(&daemon, &["run", "--", "/"]);
    assert_eq!(output.status.code(), Some(126));
}

#[test]
fn the_command_reaches_the_daemon_with_the_url_and_key_it_finds() {
    let answer = json!({"detail": "found me"});
    let daemon = Daemon::answering(&[("GET /v2/auth/providers", 418, answer)]);
    let script = r#"
        port=${LANGSMITH_API_URL##*:}
        exec 3<>/dev/tcp/127.0.0.1/$port
        printf 'GET /v2/auth/providers HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n' "$port" >&3
        printf 'x-api-key: %s\r\nConnection: close\r\n\r\n' "$LANGSMITH_API_KEY" >&3
        cat <&3
        echo; echo "$AGENT_AUTH_SOCK"
    "#;
    let output = ran(&daemon, &["run", "--", "bash", "-c", script]);
    let said = stdout(&output);
    assert!(
        said.starts_with("HTTP/1.1 418"),
        "{said}{}",
        stderr(&output)
    );
    assert!(said.contains("found me"), "{said}");
    assert!(
        said.ends_with(&format!("\n{}\n", daemon.socket().display())),
        "{said}"
    );
}

#[test]
fn a_signal_reaches_the_command_and_run_outlives_it() {
    let daemon = Daemon::answering(&[]);
    for (name, number) in [
        ("TERM", Signal::SIGTERM),
        ("HUP", Signal::SIGHUP),
        ("USR1", Signal::SIGUSR1),
    ] {
        let script =
            format!("trap 'echo got; exit 9' {name}; echo ready; while :; do sleep 0.05; done");
        let mut child = agent_auth(&daemon.socket())
            .args(["run", "--", "sh", "-c", &script])
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        signal(&child, number);
        assert_eq!(lines.next().unwrap().unwrap(), "got", "{name}");
        assert_eq!(child.wait().unwrap().code(), Some(9), "{name}");
    }
}

#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    let daemon = Daemon::answering(&[]);
    let bin = env!("CARGO_BIN_EXE_agent-auth");
    let script = format!("trap '' HUP; exec {bin} run -- sh -c 'kill -HUP $PPID $$; echo alive'");
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .env("AGENT_AUTH_SOCK", daemon.socket())
        .output()
        .unwrap();
    assert_eq!(
        (output.status.code(), stdout(&output)),
        (Some(0), "alive\n")
    );
}
