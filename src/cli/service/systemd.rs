//! systemd: a user's units or the system units.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::steps::{Step, arguments};
use super::{Installation, KEPT, done, note};

/// The daemon's path in the unit files, which is replaced.
const PACKAGED: &str = "ExecStart=/usr/bin/agent-authd";

const SERVICE: &str = "agent-authd.service";
const SOCKET: &str = "agent-authd.socket";
const REDIRECTS: &str = "agent-authd-redirect.socket";
const NAMESPACES: &str = "agent-authd.service.d/namespaces.conf";

/// The units of a user's service, with their names.
const USERS: [(&str, &str); 2] = [
    (
        SOCKET,
        include_str!("../../../systemd/user/agent-authd.socket"),
    ),
    (
        SERVICE,
        include_str!("../../../systemd/user/agent-authd.service"),
    ),
];

/// The drop-in that runs a user's service in namespaces.
const USERS_NAMESPACES: &str =
    include_str!("../../../systemd/user/agent-authd.service.d/namespaces.conf");

/// The units of the system service, with their names.
const SYSTEMS: [(&str, &str); 3] = [
    (
        SOCKET,
        include_str!("../../../systemd/system/agent-authd.socket"),
    ),
    (
        REDIRECTS,
        include_str!("../../../systemd/system/agent-authd-redirect.socket"),
    ),
    (
        SERVICE,
        include_str!("../../../systemd/system/agent-authd.service"),
    ),
];

/// Whether the user's service manager can start a service with the settings of the
/// drop-in. Some systems reserve namespaces for root and some containers restrict them;
/// the daemon would then fail to start. Only an attempt shows it.
pub(super) fn has_user_namespaces() -> bool {
    let tried = Command::new("systemd-run")
        .args(["--user", "--quiet", "--wait", "--collect"])
        .args(settings_to_try())
        .arg("true")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    tried.is_ok_and(|status| status.success())
}

/// The drop-in's settings as arguments, without those that name the user's folders,
/// which the attempt does not need.
fn settings_to_try() -> impl Iterator<Item = String> {
    USERS_NAMESPACES
        .lines()
        .filter(|line| line.contains('=') && !line.starts_with('#'))
        .filter(|line| !line.contains('%'))
        .map(|line| format!("--property={line}"))
}

/// Writes the units and starts the sockets. systemd starts the daemon at the first
/// request.
pub(super) fn install(place: &Installation, has_user_namespaces: bool) -> Vec<Step> {
    let folder = folder(place);
    let mut steps = Vec::new();
    for (name, text) in units(place) {
        steps.push(Step::Write(folder.join(name), with_daemon(place, text)));
    }
    if !place.system {
        let drop_in = folder.join(NAMESPACES);
        steps.push(if has_user_namespaces {
            Step::Write(drop_in, USERS_NAMESPACES.to_owned())
        } else {
            Step::Remove(drop_in)
        });
    }
    steps.push(Step::Run(systemctl(place, &["daemon-reload"])));
    for socket in sockets(place) {
        steps.push(Step::Run(systemctl(place, &["enable", "--now", socket])));
    }
    // A running daemon would keep the old unit or the old program.
    steps.push(Step::Try(systemctl(place, &["try-restart", SERVICE])));
    if !place.system && !has_user_namespaces {
        let text = "This system does not let users' services have namespaces, so the service runs without them (see docs/service.md).";
        steps.push(note(text));
    }
    steps.push(done("Installed", "Would install", if place.system {
        ": agent-authd starts at the first request of any user."
    } else {
        ": agent-authd starts at your first request. To keep it running while you are logged out: loginctl enable-linger"
    }));
    steps
}

/// Stops it and removes the units.
pub(super) fn uninstall(place: &Installation) -> Vec<Step> {
    let folder = folder(place);
    let mut steps = Vec::new();
    let mut stop = vec!["disable", "--now"];
    stop.extend(sockets(place));
    stop.push(SERVICE);
    steps.push(Step::Try(systemctl(place, &stop)));
    steps.extend(units(place).map(|(name, _)| Step::Remove(folder.join(name))));
    if !place.system {
        steps.push(Step::Remove(folder.join(NAMESPACES)));
    }
    steps.push(Step::Run(systemctl(place, &["daemon-reload"])));
    steps.push(done("Uninstalled", "Would uninstall", KEPT));
    steps
}

pub(super) fn status(place: &Installation) -> Vec<Step> {
    let mut command = vec!["status", "--no-pager"];
    command.extend(sockets(place));
    command.push(SERVICE);
    vec![Step::End(systemctl(place, &command))]
}

pub(super) fn logs(place: &Installation) -> Vec<Step> {
    let mut command = vec!["journalctl"];
    if !place.system {
        command.push("--user");
    }
    command.extend(["--unit", SERVICE, "--lines=200", "--no-pager"]);
    vec![Step::End(arguments(&command))]
}

fn folder(place: &Installation) -> PathBuf {
    if place.system {
        "/etc/systemd/system".into()
    } else {
        place.config_home.join("systemd/user")
    }
}

fn units(place: &Installation) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
    let units: &[_] = if place.system { &SYSTEMS } else { &USERS };
    units.iter().copied()
}

fn sockets(place: &Installation) -> impl Iterator<Item = &'static str> + use<> {
    units(place)
        .map(|(name, _)| name)
        .filter(|name| name.ends_with(".socket"))
}

fn systemctl(place: &Installation, command: &[&str]) -> Vec<String> {
    let scope: &[&str] = if place.system { &[] } else { &["--user"] };
    arguments(&[&["systemctl"], scope, command].concat())
}

/// The unit with the path of this daemon, quoted as in systemd.service(5).
fn with_daemon(place: &Installation, unit: &str) -> String {
    let path = place.daemon.display().to_string();
    let path = path.replace('%', "%%").replace('$', "$$");
    unit.replace(PACKAGED, &format!("ExecStart=\"{path}\""))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn place(system: bool) -> Installation {
        Installation {
            daemon: "/opt/my tools/100%/agent-authd".into(),
            home: "/home/me".into(),
            config_home: "/home/me/.config".into(),
            system,
            uid: 1000,
        }
    }

    fn written(steps: &[Step], path: &str) -> String {
        let path = Path::new(path);
        let content = steps.iter().find_map(|step| match step {
            Step::Write(found, content) if found == path => Some(content.clone()),
            _ => None,
        });
        content.unwrap_or_else(|| panic!("{path:?} is not written: {steps:?}"))
    }

    #[test]
    fn the_unit_has_the_path_of_this_daemon() {
        let steps = install(&place(false), true);
        let unit = written(&steps, "/home/me/.config/systemd/user/agent-authd.service");
        let line = r#"ExecStart="/opt/my tools/100%%/agent-authd" serve"#;
        assert!(unit.contains(line), "{unit}");
        let steps = install(&place(true), true);
        let unit = written(&steps, "/etc/systemd/system/agent-authd.service");
        assert!(
            unit.contains("100%%/agent-authd\" serve --system"),
            "{unit}"
        );
    }

    #[test]
    fn the_drop_in_is_installed_only_where_namespaces_work() {
        let drop_in = "/home/me/.config/systemd/user/agent-authd.service.d/namespaces.conf";
        let with = install(&place(false), true);
        assert!(written(&with, drop_in).contains("PrivateUsers=yes"));
        let without = install(&place(false), false);
        assert!(without.contains(&Step::Remove(drop_in.into())));
    }

    #[test]
    fn the_settings_that_are_tried_are_those_of_the_drop_in() {
        let tried: Vec<_> = settings_to_try().collect();
        assert!(tried.contains(&"--property=PrivateUsers=yes".to_owned()));
        assert!(tried.contains(&"--property=ProtectProc=invisible".to_owned()));
        assert!(
            !tried
                .iter()
                .any(|setting| setting.contains(['%', '#', '[']))
        );
    }

    #[test]
    fn the_system_service_has_no_user_namespace() {
        for step in install(&place(true), true) {
            if let Step::Write(path, content) = step {
                let mut lines = content.lines();
                assert!(
                    !lines.any(|line| line.starts_with("PrivateUsers")),
                    "{path:?}"
                );
            }
        }
    }

    #[test]
    fn uninstalling_removes_every_installed_file() {
        for system in [false, true] {
            let removed = uninstall(&place(system));
            for step in install(&place(system), true) {
                if let Step::Write(path, _) = step {
                    assert!(removed.contains(&Step::Remove(path)));
                }
            }
        }
    }
}
