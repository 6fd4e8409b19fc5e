//! Every sealed value opens where it was sealed, and nowhere else: whatever is
//! done to a real vault's rows, they are refused, never taken for another's.

use std::fs;
use std::path::PathBuf;

use agent_authd::internals::vault::check;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use rusqlite::Connection;

use super::{Home, daemon_with_token, database, options, vault_file, wanted};
use crate::support::provider::{Provider, Rotation};

/// Every sealed column.
const COLUMNS: [(&str, &str); 5] = [
    ("providers", "client_secret"),
    ("tokens", "access_token"),
    ("tokens", "refresh_token"),
    ("flows", "state"),
    ("flows", "verifier"),
];

/// One sealed value.
#[derive(Clone, Debug)]
struct Cell {
    table: &'static str,
    column: &'static str,
    seq: i64,
    sealed: String,
}

/// A vault whose rows are to be tampered with.
struct Vault {
    home: Home,
    /// The file as the daemon left it.
    whole: Vec<u8>,
    cells: Vec<Cell>,
}

impl Vault {
    async fn filled() -> Self {
        let (home, provider) = (Home::new(), Provider::start(Rotation::None, 3600));
        let daemon = daemon_with_token(&home, &provider, 3600).await;
        for _ in 0..2 {
            let import = provider.import(3600);
            daemon.client().import_token(&import).await.unwrap();
            let mut ask = wanted();
            ask.force_new = true;
            daemon.client().authenticate(&ask).await.unwrap();
        }
        daemon.stop().await;
        let cells = cells(&database(&vault_file(&home)));
        assert_eq!(cells.len(), 1 + 3 * 2 + 2 * 2);
        let whole = fs::read(vault_file(&home)).unwrap();
        Self { home, whole, cells }
    }

    /// How many values open after `tampering`.
    fn opened_after(&self, tampering: impl FnOnce(&Connection)) -> usize {
        let file: PathBuf = vault_file(&self.home);
        for companion in ["-wal", "-shm"] {
            let _ = fs::remove_file(self.home.path(&format!("data/vault.db{companion}")));
        }
        fs::write(&file, &self.whole).unwrap();
        let connection = database(&file);
        connection
            .execute_batch("PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF")
            .unwrap();
        tampering(&connection);
        drop(connection);
        check::check(&options(&self.home)).unwrap().opened
    }
}

fn cells(connection: &Connection) -> Vec<Cell> {
    let mut cells = Vec::new();
    for (table, column) in COLUMNS {
        let query = format!("SELECT seq, {column} FROM {table} WHERE {column} IS NOT NULL");
        let mut statement = connection.prepare(&query).unwrap();
        let found = statement.query_map([], |row| {
            Ok(Cell {
                table,
                column,
                seq: row.get(0)?,
                sealed: row.get(1)?,
            })
        });
        cells.extend(found.unwrap().map(Result::unwrap));
    }
    cells
}

fn put(connection: &Connection, cell: &Cell, sealed: &str) {
    let update = format!(
        "UPDATE {} SET {} = ?1 WHERE seq = ?2",
        cell.table, cell.column
    );
    let changed = connection.execute(&update, (sealed, cell.seq)).unwrap();
    assert_eq!(changed, 1);
}

fn runner() -> TestRunner {
    TestRunner::new(Config {
        cases: 96,
        failure_persistence: None,
        ..Config::default()
    })
}

#[tokio::test]
async fn the_vault_opens_whole_before_it_is_tampered_with() {
    let vault = Vault::filled().await;
    assert_eq!(vault.opened_after(|_| {}), vault.cells.len());
}

#[tokio::test]
async fn values_that_change_places_are_refused() {
    let vault = Vault::filled().await;
    let places = (any::<Index>(), any::<Index>());
    let swapped = runner().run(&places, |(one, other)| {
        let (one, other) = (one.get(&vault.cells), other.get(&vault.cells));
        prop_assume!(one.sealed != other.sealed);
        let opened = vault.opened_after(|connection| {
            put(connection, one, &other.sealed);
            put(connection, other, &one.sealed);
        });
        prop_assert_eq!(opened, vault.cells.len() - 2);
        Ok(())
    });
    swapped.unwrap();
}

#[tokio::test]
async fn a_value_with_any_bit_flipped_is_refused() {
    let vault = Vault::filled().await;
    let flips = (any::<Index>(), any::<Index>());
    let flipped = runner().run(&flips, |(cell, bit)| {
        let cell = cell.get(&vault.cells);
        let mut bytes = URL_SAFE.decode(&cell.sealed).unwrap();
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let opened =
            vault.opened_after(|connection| put(connection, cell, &URL_SAFE.encode(&bytes)));
        prop_assert_eq!(opened, vault.cells.len() - 1);
        Ok(())
    });
    flipped.unwrap();
}

#[tokio::test]
async fn a_row_under_another_owner_or_name_is_refused() {
    let vault = Vault::filled().await;
    let changes = (any::<Index>(), any::<bool>(), 1_u32..60_000);
    let changed = runner().run(&changes, |(cell, is_owner, number)| {
        let Cell { table, seq, .. } = *cell.get(&vault.cells);
        let of_the_row = |other: &&Cell| other.table == table && other.seq == seq;
        let lost = vault.cells.iter().filter(of_the_row).count();
        let opened = vault.opened_after(|connection| {
            let column = match (is_owner, table) {
                (true, _) => "owner = owner + ?1",
                (false, "providers") => "provider_id = provider_id || ?1",
                (false, _) => "id = substr(id, 1, 24) || printf('%012d', ?1)",
            };
            let update = format!("UPDATE {table} SET {column} WHERE seq = ?2");
            connection.execute(&update, (number, seq)).unwrap();
        });
        prop_assert_eq!(opened, vault.cells.len() - lost);
        Ok(())
    });
    changed.unwrap();
}
