//! Each column of the newest schema against the statements in `src/vault` that
//! write it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::migrate;

/// Columns that no statement names: SQLite numbers the rows, and the others are
/// written by statements that are put together for several tables.
const UNNAMED: [&str; 2] = ["seq", "mac"];

/// The text of every file of a folder that can hold statements.
fn text(folder: &Path) -> String {
    let entries = fs::read_dir(folder).unwrap();
    let read = |path: &Path| match path.extension() {
        _ if path.is_dir() => text(path),
        Some(kind) if kind == "rs" => fs::read_to_string(path).unwrap(),
        _ => String::new(),
    };
    entries.map(|entry| read(&entry.unwrap().path())).collect()
}

/// The columns that the statements of `text` insert into a table or update.
fn written(text: &str, table: &str) -> BTreeSet<String> {
    let after = |start: String| {
        text.match_indices(&start)
            .map(|(at, _)| &text[at + start.len()..])
            .collect::<Vec<_>>()
    };
    let inserted = after(format!("INSERT INTO {table} ("))
        .into_iter()
        .flat_map(|rest| rest.split(')').next().unwrap_or_default().split(','));
    let updated = after(format!("UPDATE {table} SET "))
        .into_iter()
        .flat_map(|rest| rest.split("WHERE").next().unwrap_or_default().split(','))
        .filter_map(|assignment| assignment.split('=').next());
    let names = inserted.chain(updated);
    names.map(|name| name.trim().to_owned()).collect()
}

#[test]
fn each_column_is_written_by_some_statement() {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate(&mut connection).unwrap();
    let mut statement = connection
        .prepare(
            "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c
             WHERE t.type = 'table' AND t.name NOT IN ('sqlite_sequence', 'totals')",
        )
        .unwrap();
    let columns = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    let columns: Vec<(String, String)> = columns.unwrap().map(Result::unwrap).collect();
    let text = text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/vault"));
    let is_written = |(table, column): &&(String, String)| {
        UNNAMED.contains(&column.as_str()) || written(&text, table).contains(column)
    };
    let unwritten: Vec<_> = columns.iter().filter(|c| !is_written(c)).collect();
    assert!(columns.len() > 80, "{columns:?}");
    assert!(unwritten.is_empty(), "{unwritten:?}");
}
