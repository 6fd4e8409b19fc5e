//! `agent-auth run`: the command's environment, its signals and its exit code.

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
fn the_commands_exit_code_is_returned() {
    let daemon = Daemon::answering(&[]);
    for (script, code) in [("exit 0", 0), ("exit 42", 42), ("kill -9 $$", 137)] {
        let output = ran(&daemon, &["run", "--", "sh", "-c", script]);
        assert_eq!(output.status.code(), Some(code), "{script}");
    }
}

#[test]
fn a_command_that_cannot_be_executed_gives_the_exit_code_of_a_shell() {
    let daemon = Daemon::answering(&[]);
    let output = ran(&daemon, &["run", "--", "no-such-command"]);
    assert_eq!(output.status.code(), Some(127));
    assert!(stderr(&output).contains("no-such-command: command not found"));
    let output = ran(&daemon, &["run", "--", "/"]);
    assert_eq!(output.status.code(), Some(126));
}

#[test]
fn the_command_reaches_the_daemon_with_the_url_and_key_in_its_environment() {
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
fn a_signal_is_forwarded_to_the_command() {
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

/// Sends a request with the key to the bridge and prints the answer.
const ASK: &str = r#"
    exec 3<>/dev/tcp/127.0.0.1/${LANGSMITH_API_URL##*:}
    printf 'GET /ok HTTP/1.1\r\nHost: %s\r\n' "${LANGSMITH_API_URL#http://}" >&3
    printf 'x-api-key: %s\r\nConnection: close\r\n\r\n' "$LANGSMITH_API_KEY" >&3
    cat <&3
"#;

#[test]
#[cfg(target_os = "linux")]
fn another_users_connection_is_closed_even_with_the_key() {
    // Only root can be another user.
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let daemon = Daemon::answering(&[]);
    let own = ran(&daemon, &["run", "--", "bash", "-c", ASK]);
    assert!(stdout(&own).starts_with("HTTP/1.1 200"), "{}", stdout(&own));
    let other = [
        "setpriv",
        "--reuid=61002",
        "--clear-groups",
        "bash",
        "-c",
        ASK,
    ];
    let words: Vec<_> = ["run", "--"].into_iter().chain(other).collect();
    let output = ran(&daemon, &words);
    assert_eq!(stdout(&output), "", "{}", stderr(&output));
}

#[test]
#[cfg(target_os = "linux")]
fn idle_connections_of_another_user_do_not_count() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let daemon = Daemon::answering(&[]);
    let hold = r#"
        for _ in $(seq 300); do exec {held}<>/dev/tcp/127.0.0.1/${LANGSMITH_API_URL##*:}; done
        echo held; exec sleep 60
    "#;
    let script = format!(
        "coproc setpriv --reuid=61002 --clear-groups bash -c '{hold}'; \
         read -r line <&\"${{COPROC[0]}}\"; {ASK} kill $COPROC_PID"
    );
    let started = std::time::Instant::now();
    let output = ran(&daemon, &["run", "--", "bash", "-c", &script]);
    let said = stdout(&output);
    assert!(
        said.starts_with("HTTP/1.1 200"),
        "{said}{}",
        stderr(&output)
    );
    assert!(started.elapsed() < std::time::Duration::from_secs(4));
}

#[test]
fn no_other_user_gets_the_port_while_a_program_of_the_command_lives() {
    let daemon = Daemon::answering(&[]);
    let script = "sleep 60 >/dev/null 2>&1 & echo $! ${LANGSMITH_API_URL##*:}";
    let output = ran(&daemon, &["run", "--", "sh", "-c", script]);
    let said = stdout(&output).trim().to_owned();
    let (pid, port) = said.split_once(' ').unwrap();
    let address = format!("127.0.0.1:{port}");
    // Of this test's user, but as another's would be: it shares the port with none.
    let taken = std::net::TcpListener::bind(&address).unwrap_err();
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
    let refused = std::net::TcpStream::connect(&address).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGKILL).unwrap();
}
