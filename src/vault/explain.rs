//! Checks the query plans of every statement in `src/vault`, as SQLite explains
//! them on an empty vault.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::{schema, sqlite};

/// Statements that read a whole table, with the reason.
const WHOLE: &[(&str, &str)] = &[
    ("FROM vault", "one row"),
    ("UPDATE vault", "one row"),
    ("FROM keys", "a row for each key of a rotation"),
    (
        "SELECT * FROM refresh_attempts",
        "a row for each refresh under way",
    ),
    ("SELECT * FROM connections$", "a look at every row"),
    (
        "FROM revocations ORDER BY seq",
        "a row for each revocation under way",
    ),
    ("SELECT * FROM events$", "a look at every row"),
    ("SELECT NOT EXISTS", "stops at the first row"),
    ("SELECT coalesce(sum(providers)", "a row for each owner"),
    ("?1 IS NULL AND expires_at > ?2", "the flows under way"),
    (
        "SELECT owner, id, generation, ?1 FROM tokens",
        "a restored backup, once",
    ),
];

/// The beginnings of statements, for files that contain only their ends.
const BEGINNINGS: [(&str, &str); 3] = [
    ("t", "SELECT * FROM tokens t "),
    ("p", "SELECT * FROM providers p "),
    ("f", "SELECT * FROM flows f "),
];

/// The statements in a file: the string literals that begin like one.
fn statements(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut found = Vec::new();
    for literal in code.split('"').skip(1).step_by(2) {
        let words: Vec<_> = literal.split_whitespace().collect();
        let sql = words.join(" ");
        let is_whole = ["SELECT ", "INSERT ", "UPDATE ", "DELETE "]
            .iter()
            .any(|verb| sql.starts_with(verb));
        let beginning = BEGINNINGS
            .iter()
            .find(|(alias, _)| sql.starts_with(&format!("WHERE {alias}.")));
        if let Some((_, select)) = beginning {
            found.push(format!("{select}{sql}"));
        } else if is_whole && !sql.contains('{') {
            found.push(sql);
        }
    }
    found
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                sources(&path)
            } else {
                vec![path]
            }
        })
        .filter(|path| path.extension().is_some_and(|found| found == "rs"))
        .filter(|path| {
            !["explain.rs", "schema.rs", "tests.rs", "written.rs"]
                .iter()
                .any(|not| path.ends_with(not))
        })
        .collect()
}

fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection
        .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    let count = statement.parameter_count();
    let nothing = vec![rusqlite::types::Null; count];
    let rows = statement.query_map(rusqlite::params_from_iter(nothing), |row| row.get(3));
    rows.unwrap().map(Result::unwrap).collect()
}

/// Every statement of the vault, with its plan.
fn plans() -> Vec<(String, Vec<String>)> {
    let folder = tempfile::tempdir().unwrap();
    let mut connection = sqlite::open_writer(&folder.path().join("vault.db")).unwrap();
    schema::migrate(&mut connection).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/vault");
    let read = |path: PathBuf| fs::read_to_string(path).unwrap();
    let all: BTreeSet<String> = sources(&root)
        .into_iter()
        .flat_map(|path| statements(&read(path)))
        .collect();
    assert!(all.len() > 40, "statements are not found: {all:#?}");
    all.into_iter()
        .map(|sql| {
            let plan = plan(&connection, &sql);
            (sql, plan)
        })
        .collect()
}

#[test]
fn no_statement_sorts_rows_that_an_index_can_give_in_order() {
    for (sql, plan) in plans() {
        let sorts = plan.iter().any(|step| step.contains("TEMP B-TREE"));
        assert!(!sorts, "{sql}\n{plan:#?}");
    }
}

#[test]
fn no_statement_reads_the_whole_of_a_table_that_can_grow() {
    for (sql, plan) in plans() {
        // `$` stands for the end of the statement.
        let marked = format!("{sql}$");
        let is_known = WHOLE.iter().any(|(part, _)| marked.contains(part));
        let reads_all = |step: &String| step.starts_with("SCAN") && !step.contains("USING INDEX");
        assert!(is_known || !plan.iter().any(reads_all), "{sql}\n{plan:#?}");
    }
}
