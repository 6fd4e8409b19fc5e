//! Changes that share a transaction, tested on a file of their own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use super::super::sqlite;
use super::*;

/// A vault file with one table, `numbers`.
struct TestVault {
    folder: tempfile::TempDir,
    health: Arc<Health>,
    writer: Writer,
}

impl TestVault {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let connection = sqlite::open_writer(&folder.path().join("vault.db")).unwrap();
        connection
            .execute_batch("CREATE TABLE numbers (number INTEGER NOT NULL) STRICT")
            .unwrap();
        let health = Arc::new(Health::default());
        let surroundings = Surroundings {
            health: Arc::clone(&health),
            placement: Arc::new(Placement::of(&folder.path().join("vault.db")).unwrap()),
            reserved_space: Arc::new(ReservedSpace::new(folder.path())),
        };
        let writer = Writer::start(connection, surroundings).unwrap();
        Self {
            folder,
            health,
            writer,
        }
    }

    fn reader(&self) -> Connection {
        sqlite::open_reader(&self.folder.path().join("vault.db")).unwrap()
    }

    fn stored(&self) -> Vec<i64> {
        let reader = self.reader();
        let mut statement = reader.prepare("SELECT number FROM numbers").unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// Keeps the writer busy until the guard is dropped. Changes that are
    /// queued meanwhile are committed together.
    fn hold(&self) -> (mpsc::Sender<()>, impl Future<Output = Result<(), Error>>) {
        let (release, held) = mpsc::channel::<()>();
        let (started, is_held) = mpsc::channel();
        let work = Work::Once(Some(Box::new(move |_: &Connection| {
            let _ = started.send(());
            let _ = held.recv();
            Ok(((), false))
        })));
        let (reply, answer) = oneshot::channel();
        let task = Task {
            owner: None,
            work,
            result: None,
            reply,
        };
        assert!(self.writer.queue.push(Box::new(task)).is_ok());
        is_held.recv().unwrap();
        (release, async move { answer.await.unwrap() })
    }
}

/// The number of commits in the write-ahead log: frames that contain the file's
/// size after them (SQLite's file format, section 4.1).
fn commits_in_log(vault: &TestVault) -> usize {
    let log = std::fs::read(vault.folder.path().join("vault.db-wal")).unwrap();
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
    let (header, frames) = log.split_at(32);
    let frame = 24 + number(&header[8..12]) as usize;
    let is_commit = |frame: &&[u8]| frame[8..16] == header[16..24] && number(&frame[4..8]) != 0;
    frames.chunks_exact(frame).filter(is_commit).count()
}

fn insert(number: i64) -> impl Fn(&Connection) -> Written<()> + Send + Clone + 'static {
    move |connection| {
        connection.execute("INSERT INTO numbers VALUES (?1)", [number])?;
        Ok(((), true))
    }
}

fn once(work: impl FnOnce(&Connection) -> Written<()> + Send + 'static) -> Work<()> {
    Work::Once(Some(Box::new(work)))
}

/// Ends the shared transaction, as SQLite does when a disk is full.
fn lose_transaction(connection: &Connection) -> Written<()> {
    connection.execute_batch("ROLLBACK")?;
    Err(Error::Unwritable {
        why: "the disk is full".to_owned(),
    })
}

#[tokio::test]
async fn two_hundred_answers_at_once_take_four_commits() {
    let vault = TestVault::new();
    // While another connection reads, the log is not truncated.
    let reader = vault.reader();
    reader.execute_batch("BEGIN").unwrap();
    let before: i64 = reader
        .query_row("SELECT count(*) FROM numbers", [], |row| row.get(0))
        .unwrap();
    assert_eq!(before, 0);
    let before = commits_in_log(&vault);
    let (release, held) = vault.hold();
    let mut answers = Vec::new();
    for number in 0..200 {
        let (reply, answer) = oneshot::channel();
        let task = Task {
            owner: None,
            work: Work::Save(Box::new(insert(number))),
            result: None,
            reply,
        };
        assert!(vault.writer.queue.push(Box::new(task)).is_ok());
        answers.push(answer);
    }
    drop(release);
    held.await.unwrap();
    for answer in answers {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(commits_in_log(&vault) - before, 4);
    assert_eq!(vault.stored().len(), 200);
}

#[tokio::test]
async fn waiting_changes_share_one_commit() {
    let vault = TestVault::new();
    let commits = Arc::new(AtomicUsize::new(0));
    let (release, held) = vault.hold();
    let counting = |number| {
        let commits = Arc::clone(&commits);
        once(move |connection| {
            // The first change of a transaction finds the table empty.
            let changed: i64 =
                connection.query_row("SELECT count(*) FROM numbers", [], |row| row.get(0))?;
            if changed == 0 {
                commits.fetch_add(1, Ordering::Relaxed);
            }
            insert(number)(connection)
        })
    };
    let all = async {
        tokio::join!(
            vault.writer.run(None, counting(1)),
            vault.writer.run(None, counting(2)),
            async {
                drop(release);
                held.await
            }
        )
    };
    let (first, second, _) = all.await;
    first.unwrap();
    second.unwrap();
    assert_eq!(commits.load(Ordering::Relaxed), 1);
    assert_eq!(vault.stored(), [1, 2]);
}

#[tokio::test]
async fn a_change_that_fails_or_panics_is_rolled_back_alone() {
    let vault = TestVault::new();
    let (release, held) = vault.hold();
    let (first, failed, panicked, last, _) = tokio::join!(
        vault.writer.run(None, once(insert(1))),
        vault.writer.run(
            None,
            once(|connection| {
                insert(2)(connection)?;
                Err(Error::NotFound)
            })
        ),
        vault.writer.run(
            None,
            once(|connection| {
                insert(3)(connection)?;
                panic!("a defect")
            })
        ),
        vault.writer.run(None, once(insert(4))),
        async {
            drop(release);
            held.await
        }
    );
    first.unwrap();
    assert!(matches!(failed, Err(Error::NotFound)));
    assert!(panicked.is_err());
    last.unwrap();
    assert_eq!(vault.stored(), [1, 4]);
}

#[tokio::test]
async fn if_the_commit_fails_every_caller_gets_an_error() {
    let vault = TestVault::new();
    let (release, held) = vault.hold();
    let (first, lost, last, held) = tokio::join!(
        vault.writer.run(None, once(insert(1))),
        vault.writer.run(None, once(lose_transaction)),
        vault.writer.run(None, once(insert(2))),
        async {
            drop(release);
            held.await
        }
    );
    held.unwrap();
    for result in [first, lost, last] {
        assert!(matches!(result, Err(Error::Unwritable { .. })));
    }
    assert_eq!(vault.stored(), [] as [i64; 0]);
    assert!(vault.health.unwritable().is_some());
}

#[tokio::test]
async fn a_save_runs_again_alone_if_its_shared_commit_fails() {
    let vault = TestVault::new();
    let (release, held) = vault.hold();
    let (saved, other, lost, _) = tokio::join!(
        vault.writer.run(None, Work::Save(Box::new(insert(1)))),
        vault.writer.run(None, once(insert(2))),
        vault.writer.run(None, once(lose_transaction)),
        async {
            drop(release);
            held.await
        }
    );
    saved.unwrap();
    assert!(other.is_err() && lost.is_err());
    assert_eq!(vault.stored(), [1]);
}

#[tokio::test]
async fn a_foreign_reader_delays_no_change_and_the_log_is_truncated_after_it() {
    let vault = TestVault::new();
    vault.writer.run(None, once(insert(1))).await.unwrap();
    let foreign = vault.reader();
    foreign.execute_batch("BEGIN").unwrap();
    foreign
        .query_row("SELECT count(*) FROM numbers", [], |_| Ok(()))
        .unwrap();
    let began = Instant::now();
    for number in 2..12 {
        vault.writer.run(None, once(insert(number))).await.unwrap();
    }
    assert!(began.elapsed() < BUSY_TIMEOUT / 2, "{:?}", began.elapsed());
    let log = vault.folder.path().join("vault.db-wal");
    let is_empty = || std::fs::metadata(&log).unwrap().len() == 0;
    assert!(!is_empty(), "the reader still sees the state before");
    foreign.execute_batch("COMMIT").unwrap();
    let deadline = Instant::now() + BUSY_TIMEOUT;
    while !is_empty() {
        assert!(Instant::now() < deadline, "the log is not emptied");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
