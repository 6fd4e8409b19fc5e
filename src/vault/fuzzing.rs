//! The rule of every sealed value: it opens at its own place, and does not open
//! at another place, in another vault, with another key, or after any change to
//! it.
//!
//! The input is one line each for `OWNER COLUMN AT CHARACTER`, a row and
//! another row; the rest is the secret.

use std::sync::LazyLock;

use uuid::Uuid;

use super::Error;
use super::cipher::{Cipher, SealContext};
use super::key::KeyRing;
use super::sealed::TABLES;
use crate::clock::Timestamp;
use crate::identity::Owner;
use crate::secret::Opened;

/// The shortest secret that is too long to occur in a ciphertext by chance, in
/// bytes.
const TELLING: usize = 12;

/// The vault's cipher, and two ciphers that must not open its values: that of
/// another vault with the same key, and that of the same vault with another
/// key.
struct Ciphers {
    own: Cipher,
    others: [Cipher; 2],
}

static CIPHERS: LazyLock<Ciphers> = LazyLock::new(|| {
    let cipher = |vault, letter: &str| {
        let key = letter.repeat(42) + "A=";
        let ring = KeyRing::parse(&key, "the fuzz target").expect("it is 32 bytes of base64");
        Cipher::new(Uuid::from_u128(vault), &ring).expect("it is a Fernet key")
    };
    Ciphers {
        own: cipher(1, "A"),
        others: [cipher(2, "A"), cipher(1, "B")],
    }
});

/// The parsed input.
struct Sealing {
    owner: Owner,
    /// The index among all sealed columns.
    column: usize,
    /// The position at which the sealed value is changed.
    at: usize,
    /// The character that is put there.
    character: char,
    row: String,
    other_row: String,
    secret: String,
}

impl Sealing {
    fn read(data: &[u8]) -> Self {
        let mut lines = data.splitn(4, |byte| *byte == b'\n');
        let mut line = || String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
        let (head, row, other_row, secret) = (line(), line(), line(), line());
        let mut words = head.split(' ');
        let mut number = || words.next().and_then(|word| word.parse::<u32>().ok());
        let owner = number().and_then(Owner::from_uid);
        let (column, at) = (number().unwrap_or(0), number().unwrap_or(0));
        Self {
            owner: owner.unwrap_or(Owner::ADMINISTRATOR),
            column: column as usize,
            at: at as usize,
            character: words
                .next()
                .and_then(|word| word.chars().next())
                .unwrap_or('A'),
            row,
            other_row,
            secret,
        }
    }

    /// The context of the value in the named row.
    fn context<'a>(&self, row: &'a str) -> SealContext<'a> {
        let mut places = columns(self.owner, row);
        places.swap_remove(self.column % places.len())
    }
}

/// Every sealed column of a row of an owner.
fn columns(owner: Owner, row: &str) -> Vec<SealContext<'_>> {
    let tables = TABLES.iter();
    let places = tables.flat_map(|table| {
        table.columns.iter().map(move |column| SealContext {
            owner,
            table: table.name,
            row,
            column,
        })
    });
    places.collect()
}

/// The target `row_envelope`.
pub(crate) fn row_envelope(data: &[u8]) {
    let Ciphers { own, others } = &*CIPHERS;
    let sealing = Sealing::read(data);
    let context = sealing.context(&sealing.row);
    let now = Timestamp::from_millis(i64::from(sealing.owner.uid()));
    let sealed = own.seal(context, &Opened::new(sealing.secret.as_str()), now);
    let open =
        |cipher: &Cipher, context, sealed: &str| cipher.open(context, &own.key_id().0, sealed);

    assert_eq!(
        open(own, context, &sealed).ok(),
        Some(sealing.secret.clone())
    );
    let is_telling = sealing.secret.len() >= TELLING;
    assert!(!is_telling || !sealed.contains(&sealing.secret));
    for elsewhere in elsewhere(&sealing) {
        is_refused(&open(own, elsewhere, &sealed), elsewhere);
    }
    for other in others {
        is_refused(&open(other, context, &sealed), context);
        is_refused(&other.open(context, &other.key_id().0, &sealed), context);
    }
    for changed in changes(&sealed, &sealing) {
        is_refused(&open(own, context, &changed), context);
    }
    let made_up = String::from_utf8_lossy(data);
    is_refused(&open(own, context, &made_up), context);
}

/// Contexts that differ from the value's in one respect.
fn elsewhere(sealing: &Sealing) -> Vec<SealContext<'_>> {
    let context = sealing.context(&sealing.row);
    let of_row = columns(sealing.owner, &sealing.row).into_iter();
    let mut elsewhere: Vec<_> = of_row
        .filter(|other| (other.table, other.column) != (context.table, context.column))
        .collect();
    if sealing.other_row != sealing.row {
        elsewhere.push(sealing.context(&sealing.other_row));
    }
    let next = Owner::from_uid(sealing.owner.uid().wrapping_add(1));
    elsewhere.extend(next.map(|owner| SealContext { owner, ..context }));
    elsewhere
}

/// The sealed value with one character replaced, removed and doubled, and
/// truncated there.
fn changes(sealed: &str, sealing: &Sealing) -> Vec<String> {
    let (before, rest) = sealed.split_at(sealing.at % sealed.len());
    let mut rest = rest.chars();
    let old = rest.next().unwrap_or_default();
    let after = rest.as_str();
    let put = |middle: &str| [before, middle, after].concat();
    let mut changes = vec![
        put(""),
        put(&[old, old].iter().collect::<String>()),
        before.to_owned(),
    ];
    if sealing.character != old {
        changes.push(put(&sealing.character.to_string()));
    }
    changes
}

/// The error must be `Corrupt` and name only the context.
fn is_refused(opened: &Result<String, Error>, context: SealContext<'_>) {
    match opened {
        Err(Error::Corrupt { what }) => assert_eq!(
            *what,
            format!(
                "{}.{} of row {}",
                context.table, context.column, context.row
            )
        ),
        other => panic!("it opened at {context:?}: {:?}", other.is_ok()),
    }
}
