//! launchd: a user's agent or the system daemon.

use std::path::PathBuf;

use super::steps::{Step, arguments};
use super::{Installation, KEPT, done};

const LABEL: &str = "org.agent-auth.agent-authd";

/// The property list of a user's agent.
const AGENT: &str = include_str!("../../../launchd/agent.plist");
/// The property list of the system daemon.
const DAEMON: &str = include_str!("../../../launchd/daemon.plist");
/// The daemon's path in the property lists, which is replaced.
const PACKAGED: &str = "/usr/local/bin/agent-authd";
/// The log's path in the property lists, which is replaced.
const PACKAGED_LOG: &str = "/Users/you/Library/Logs/agent-authd.log";

/// Writes the property list and loads it.
pub(super) fn install(place: &Installation) -> Vec<Step> {
    let path = property_list(place);
    let mut steps = vec![Step::Write(path.clone(), text(place))];
    steps.push(Step::Try(bootout(place)));
    let path = path.display().to_string();
    steps.push(Step::Run(arguments(&[
        "launchctl",
        "bootstrap",
        &domain(place),
        &path,
    ])));
    let what = ": agent-authd runs, and launchd restarts it after a failure.";
    steps.push(done("Installed", "Would install", what));
    steps
}

/// Stops it and removes the property list.
pub(super) fn uninstall(place: &Installation) -> Vec<Step> {
    vec![
        Step::Try(bootout(place)),
        Step::Remove(property_list(place)),
        done("Uninstalled", "Would uninstall", KEPT),
    ]
}

pub(super) fn status(place: &Installation) -> Vec<Step> {
    let target = format!("{}/{LABEL}", domain(place));
    vec![Step::End(arguments(&["launchctl", "print", &target]))]
}

pub(super) fn logs(place: &Installation) -> Vec<Step> {
    let log = log(place).display().to_string();
    vec![Step::End(arguments(&["tail", "-n", "200", &log]))]
}

fn bootout(place: &Installation) -> Vec<String> {
    let target = format!("{}/{LABEL}", domain(place));
    arguments(&["launchctl", "bootout", &target])
}

fn domain(place: &Installation) -> String {
    if place.system {
        "system".to_owned()
    } else {
        format!("gui/{}", place.uid)
    }
}

fn property_list(place: &Installation) -> PathBuf {
    let name = format!("{LABEL}.plist");
    if place.system {
        PathBuf::from("/Library/LaunchDaemons").join(name)
    } else {
        place.home.join("Library/LaunchAgents").join(name)
    }
}

fn log(place: &Installation) -> PathBuf {
    const NAME: &str = "Library/Logs/agent-authd.log";
    if place.system {
        PathBuf::from("/").join(NAME)
    } else {
        place.home.join(NAME)
    }
}

fn text(place: &Installation) -> String {
    let list = if place.system { DAEMON } else { AGENT };
    let escaped = |path: PathBuf| {
        let path = path.display().to_string();
        path.replace('&', "&amp;").replace('<', "&lt;")
    };
    list.replace(PACKAGED, &escaped(place.daemon.clone()))
        .replace(PACKAGED_LOG, &escaped(log(place)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_property_list_names_this_users_paths() {
        let place = Installation {
            daemon: "/opt/a&b/agent-authd".into(),
            home: "/Users/ada".into(),
            config_home: "/Users/ada/Library/Application Support".into(),
            system: false,
            uid: 501,
        };
        let steps = install(&place);
        let Step::Write(path, text) = &steps[0] else {
            panic!("{steps:?}")
        };
        let expected = "/Users/ada/Library/LaunchAgents/org.agent-auth.agent-authd.plist";
        assert_eq!(path.to_str(), Some(expected));
        assert!(text.contains("<string>/opt/a&amp;b/agent-authd</string>"));
        assert!(text.contains("<string>/Users/ada/Library/Logs/agent-authd.log</string>"));
        assert!(!text.contains("/Users/you") && !text.contains(PACKAGED));
        assert_eq!(domain(&place), "gui/501");
    }
}
