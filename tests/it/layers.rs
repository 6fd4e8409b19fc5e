//! The layers: a module uses only modules above it in `lib.rs`'s list, and its own
//! children; a component of the broker only those above it in `broker.rs`'s list.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The modules in the order of `lib.rs`, lowest layer first.
fn layers() -> Vec<String> {
    declared("lib.rs")
}

/// The modules that a file declares, in its order.
fn declared(file: &str) -> Vec<String> {
    let text = fs::read_to_string(source().join(file)).unwrap();
    let modules = text.lines().filter_map(|line| {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        let name = line.strip_prefix("mod ")?.strip_suffix(';')?;
        Some(name.to_owned())
    });
    modules.collect()
}

pub(crate) fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every file of a module: `name.rs`, and all below `name/`.
pub(crate) fn files(module: &str) -> Vec<PathBuf> {
    let mut files = vec![source().join(format!("{module}.rs"))];
    let mut folders = vec![source().join(module)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("rs") => files.push(path),
                _ if path.is_dir() => folders.push(path),
                _ => {}
            }
        }
    }
    files
}

/// The modules of the crate that a text names: `crate::name`, alone or in the
/// braces of `use crate::{…}`.
fn named(text: &str) -> Vec<String> {
    named_after(text, "crate::")
}

/// The names that follow `prefix` in a text, alone or in braces.
fn named_after(text: &str, prefix: &str) -> Vec<String> {
    let words = |text: &str| {
        let word = text
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .next();
        word.unwrap_or_default().to_owned()
    };
    let mut named = Vec::new();
    for (at, found) in text.match_indices(prefix) {
        let rest = &text[at + found.len()..];
        match rest.strip_prefix('{') {
            None => named.push(words(rest)),
            Some(list) => named.extend(members(list).map(|member| words(member.trim_start()))),
        }
    }
    named
}

/// The members of a braced list whose brace was opened just before `text`,
/// those of inner braces left out.
fn members(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    let end = text.find(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth < 0
    });
    let mut depth = 0;
    text[..end.unwrap_or(text.len())].split(move |c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth == 0 && c == ','
    })
}

/// Uses of a module by one below it, as `lower uses upper`.
fn upward_uses(layers: &[String], module: &str, text: &str) -> Vec<String> {
    let rank = |name: &str| layers.iter().position(|layer| layer == name);
    let upper = named(text)
        .into_iter()
        .filter(|name| rank(name) > rank(module));
    upper
        .map(|upper| format!("{module} uses {upper}"))
        .collect()
}

#[test]
fn no_module_uses_one_above_its_layer() {
    let layers = layers();
    assert!(layers.len() > 10, "{layers:?}");
    for module in &layers {
        for file in files(module) {
            let text = fs::read_to_string(&file).unwrap();
            let upward = upward_uses(&layers, module, &text);
            assert!(upward.is_empty(), "{}: {upward:?}", file.display());
        }
    }
}

#[test]
fn the_methods_of_reads_and_changes_are_in_the_vault() {
    for module in layers().iter().filter(|module| *module != "vault") {
        for file in files(module) {
            let text = fs::read_to_string(&file).unwrap();
            for block in ["impl View<", "impl Change<"] {
                assert!(!text.contains(block), "{}: {block}", file.display());
            }
        }
    }
}

/// The lines of a module's files that are code, without comments.
fn code_of(module: &str) -> Vec<(PathBuf, String)> {
    let mut code = Vec::new();
    for file in files(module) {
        let text = fs::read_to_string(&file).unwrap();
        let lines = text.lines().filter(|line| !line.trim().starts_with("//"));
        code.extend(lines.map(|line| (file.clone(), line.to_owned())));
    }
    code
}

#[test]
fn the_broker_is_given_parsed_identifiers() {
    let parsed = ["ProviderId", "TokenId", "FlowId", "ConnectionId"];
    for (file, line) in code_of("broker") {
        let parses = parsed
            .iter()
            .any(|id| line.contains(&format!("{id}::parse")));
        assert!(!parses, "{}: {line}", file.display());
    }
    for (file, line) in code_of("broker/commands") {
        assert!(!line.contains("Serialize"), "{}: {line}", file.display());
    }
}

#[test]
fn what_a_person_types_is_named_by_the_advice_and_above_it() {
    let typed = [
        "agent-auth ",
        " --data-dir",
        " --key-file",
        " --socket",
        " --config",
        " --redirect-listen",
    ];
    let layers = layers();
    for module in layers.iter().take_while(|layer| *layer != "advice") {
        for (file, line) in code_of(module) {
            let named = typed.iter().find(|typed| line.contains(**typed));
            assert!(named.is_none(), "{}: {line}", file.display());
        }
    }
}

/// The modules of the vault that a file of it uses, tests left out. `depth` is how
/// many folders below `src/vault` the file is in.
fn vault_modules_used(text: &str, depth: usize) -> Vec<String> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let code: Vec<_> = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let code = code.join("\n");
    let parent = "super::".repeat(depth + 1);
    // Further `super::` would be another module's.
    let relative = code.replace(&format!("super::{parent}"), "outside::");
    let absolute = code.replace("in crate::vault", "");
    let mut used = named_after(&relative, &parent);
    used.extend(named_after(&absolute, "crate::vault::"));
    used
}

#[test]
fn the_files_of_the_vault_use_each_other_in_one_direction() {
    let root = source().join("vault");
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files("vault").iter().skip(1) {
        let path = file.strip_prefix(&root).unwrap();
        let mut parts: Vec<_> = path.iter().map(|part| part.to_str().unwrap()).collect();
        let depth = parts.len() - 1;
        let module = parts.remove(0).trim_end_matches(".rs").to_owned();
        let text = fs::read_to_string(file).unwrap();
        let used = vault_modules_used(&text, depth);
        uses.entry(module).or_default().extend(used);
    }
    let modules: BTreeSet<_> = uses.keys().cloned().collect();
    for (module, used) in &mut uses {
        used.retain(|name| name != module && modules.contains(name));
    }
    assert!(
        uses.values().map(BTreeSet::len).sum::<usize>() > 80,
        "{uses:?}"
    );
    // A module that uses none of those left is in no circle.
    loop {
        let left: BTreeSet<_> = uses.keys().cloned().collect();
        let before = left.len();
        uses.retain(|_, used| !used.is_disjoint(&left));
        if uses.len() == before {
            break;
        }
    }
    assert!(uses.is_empty(), "circles: {uses:?}");
}

#[test]
fn no_component_of_the_broker_uses_one_above_it() {
    let components = declared("broker.rs");
    assert!(components.len() > 10, "{components:?}");
    let rank = |name: &str| components.iter().position(|component| component == name);
    for component in &components {
        for file in files(&format!("broker/{component}")) {
            let text = fs::read_to_string(&file).unwrap();
            let mut used = named_after(&text, "crate::broker::");
            if file.parent() == Some(&source().join("broker")) {
                used.extend(named_after(&text, "super::"));
            }
            used.retain(|name| rank(name) > rank(component));
            assert!(used.is_empty(), "{} uses {used:?}", file.display());
        }
    }
}

#[test]
fn an_upward_use_is_seen_however_it_is_written() {
    let layers = ["clock", "token", "vault"].map(str::to_owned);
    for text in [
        "use crate::vault::Vault;",
        "fn f() { crate::vault::open() }",
        "use crate::{clock::{Env, Clock}, vault};",
        "use crate::{\n    clock,\n    vault::Error,\n};",
    ] {
        assert_eq!(upward_uses(&layers, "token", text), ["token uses vault"]);
        assert!(upward_uses(&layers, "vault", text).is_empty());
    }
}
