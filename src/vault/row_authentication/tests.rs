//! Each column of an authenticated table is covered by the code, except the
//! columns named here, which do not decide where a secret is sent.

use rusqlite::Connection;
use uuid::Uuid;

use super::*;
use crate::clock::Env;
use crate::vault::key::KeyRing;
use crate::vault::schema;

/// The columns that the code is made with, and those that do not decide where a
/// secret is sent. A new column that does must be added to the table's list.
fn is_free(table: &str, column: &str) -> bool {
    let of_every_table = ["seq", "key_id", "mac", "created_at", "updated_at"];
    let own: &[&str] = match table {
        "providers" => &["id", "name"],
        "tokens" => &[
            "user_id",
            "agent_id",
            "account_label",
            "own_label",
            "token_type",
            "granted",
            "requested",
            "issued_at",
            "expires_at",
            "is_default",
            "person_needed",
            "generation",
            "metadata",
            "refreshed_at",
            "last_error",
            "last_error_at",
            "retry_at",
            "used_at",
            "issuer",
            "subject",
            "refresh_token_hash",
        ],
        "flows" => &[
            "user_id",
            "agent_id",
            "purpose",
            "subject",
            "requested",
            "is_default",
            "is_shareable",
            "state_hash",
            "verifier",
            "form_hash",
            "status",
            "error",
            "error_description",
            "token_id",
            "expires_at",
            "finished_at",
            "second_opening_at",
            "form_offer",
            "is_other_account",
        ],
        _ => &[],
    };
    of_every_table.contains(&column) || own.contains(&column)
}

/// The columns of a table, each with its type.
fn columns(connection: &Connection, table: &str) -> Vec<(String, String)> {
    let query = format!("SELECT name, type FROM pragma_table_info('{table}')");
    let mut statement = connection.prepare(&query).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

/// A row with a value in every column, and its code.
fn insert(connection: &Connection, cipher: &Cipher, table: &AuthenticatedTable) {
    let columns = columns(connection, table.name);
    let value = |(name, kind): &(String, String)| match (name.as_str(), kind.as_str()) {
        ("seq", _) => "1".to_owned(),
        ("key_id", _) => format!("'{}'", cipher.key_id().0),
        (_, "INTEGER") => "1".to_owned(),
        (_, "BLOB") => "x'01'".to_owned(),
        _ => "'x'".to_owned(),
    };
    let names: Vec<_> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let values: Vec<_> = columns.iter().map(value).collect();
    let statement = format!(
        "INSERT INTO {} ({}) VALUES ({})",
        table.name,
        names.join(", "),
        values.join(", ")
    );
    connection.execute(&statement, []).unwrap();
    table.authenticate(connection, cipher, 1).unwrap();
}

#[test]
fn each_column_that_decides_where_a_secret_is_sent_is_authenticated() {
    let ring = KeyRing::generate(&Env::system());
    let cipher = Cipher::new(Uuid::nil(), &ring).unwrap();
    let mut connection = Connection::open_in_memory().unwrap();
    schema::migrate(&mut connection).unwrap();
    let off = "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON";
    connection.execute_batch(off).unwrap();
    for table in TABLES {
        insert(&connection, &cipher, table);
        let has_code = || table.has_authentic(&connection, &cipher, 1).unwrap();
        assert!(has_code(), "{}", table.name);
        for (column, kind) in columns(&connection, table.name) {
            if is_free(table.name, &column) {
                continue;
            }
            let other = if kind == "INTEGER" { "2" } else { "'y'" };
            let update = |value: &str| {
                let statement = format!("UPDATE {} SET {column} = {value}", table.name);
                connection.execute(&statement, []).unwrap();
            };
            update(other);
            assert!(!has_code(), "{}.{column} can be changed", table.name);
            update(if kind == "INTEGER" { "1" } else { "'x'" });
            assert!(has_code(), "{}.{column}", table.name);
        }
    }
}
