//! The documents: their links lead somewhere, and the settings they list are those of
//! the daemon. `tests/e2e/test_readme.py` runs the samples in README.md.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Markdown files for people, by their paths.
fn documents() -> BTreeMap<PathBuf, String> {
    let folders = [root().to_owned(), root().join("docs")];
    let files = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap());
    files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| (path.clone(), fs::read_to_string(&path).unwrap()))
        .collect()
}

/// The targets of the links in a text that lead to files.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.starts_with("http"))
}

/// The anchors of a document's headings, as GitHub forms them.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|heading| {
            let title = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = title.replace(' ', "-");
            kept.chars()
                .filter(|c| c.is_alphanumeric() || "-_".contains(*c))
                .collect()
        })
        .collect()
}

#[test]
fn every_link_between_documents_leads_to_a_file_and_a_heading() {
    let documents = documents();
    assert!(documents.len() > 8, "{:?}", documents.keys());
    for (path, text) in &documents {
        for link in links(text) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let folder = path.parent().unwrap();
            let target = if file.is_empty() {
                path.clone()
            } else {
                folder.join(file)
            };
            let target = target.canonicalize();
            let target = target.unwrap_or_else(|_| panic!("{}: {link}", path.display()));
            let found = documents.get(&target).map(|text| anchors(text));
            let is_heading = found.is_none_or(|found| found.iter().any(|found| found == anchor));
            assert!(
                anchor.is_empty() || is_heading,
                "{}: {link}",
                path.display()
            );
        }
    }
}

/// The settings that the daemon uses in an empty home folder.
fn default_settings() -> String {
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_agent-authd"))
        .arg("--check-config")
        .env_clear()
        .env("HOME", home.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn the_settings_page_lists_every_setting_with_its_default() {
    let page = fs::read_to_string(root().join("docs/settings.md")).unwrap();
    let rows: Vec<_> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let settings = default_settings();
    assert_eq!(rows.len(), settings.lines().count(), "{settings}");
    for (row, setting) in rows.iter().zip(settings.lines()) {
        let (key, value) = setting.split_once(" = ").unwrap();
        assert!(row.starts_with(&format!("| `{key}` |")), "{row}: {setting}");
        let has_default = row.contains(&format!("| `{value}`")) || row.contains("| below |");
        assert!(has_default, "{row}: {setting}");
    }
}

#[test]
fn the_page_on_the_command_line_lists_every_command() {
    let page = fs::read_to_string(root().join("docs/cli.md")).unwrap();
    let help = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agent-auth"));
        let output = command.args(words).arg("--help").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    for command in subcommands(&help(&[])) {
        let start = format!("| `{command}");
        let row = page.lines().find(|line| line.starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("{command} is not listed"));
        for nested in subcommands(&help(&[&command])) {
            let is_listed =
                row.contains(&format!("`{nested}`")) || row.contains(&format!(" {nested}`"));
            assert!(is_listed, "{command} {nested} is not listed");
        }
    }
}

/// The commands that a help text lists, without `help`.
fn subcommands(help: &str) -> Vec<String> {
    let list = help.split_once("Commands:\n").map_or("", |(_, list)| list);
    let lines = list.lines().take_while(|line| !line.is_empty());
    let named = lines.filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next());
    named
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}
