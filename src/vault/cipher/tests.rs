use super::*;
use crate::secret::AccessToken;

fn cipher(vault: u128, key: &str) -> Cipher {
    Cipher::new(
        Uuid::from_u128(vault),
        &KeyRing::parse(key, "here").unwrap(),
    )
    .unwrap()
}

fn context(row: &str) -> SealContext<'_> {
    SealContext {
        owner: Owner::from_uid(1000).unwrap(),
        table: "tokens",
        row,
        column: "access_token",
    }
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

#[test]
fn a_sealed_value_opens_only_at_its_place() {
    let cipher = cipher(1, &Fernet::generate_key());
    let key_id = cipher.key_id().0.clone();
    let sealed = cipher.seal(context("a"), &AccessToken::new("hush"), now());
    assert!(!sealed.contains("hush"));
    assert_eq!(cipher.open(context("a"), &key_id, &sealed).unwrap(), "hush");
    let elsewhere = [
        context("b"),
        SealContext {
            column: "refresh_token",
            ..context("a")
        },
        SealContext {
            table: "flows",
            ..context("a")
        },
        SealContext {
            owner: Owner::from_uid(1001).unwrap(),
            ..context("a")
        },
    ];
    for wrong in elsewhere {
        assert!(
            matches!(
                cipher.open(wrong, &key_id, &sealed),
                Err(Error::Corrupt { .. })
            ),
            "{wrong:?}"
        );
    }
}

#[test]
#[cfg(target_os = "linux")]
fn the_keys_page_is_locked_in_memory() {
    let _cipher = cipher(1, &Fernet::generate_key());
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let locked = status.lines().find(|line| line.starts_with("VmLck:"));
    assert_ne!(locked.unwrap().split_whitespace().nth(1), Some("0"));
}

#[test]
fn another_vault_or_key_opens_nothing() {
    let key = Fernet::generate_key();
    let ours = cipher(1, &key);
    let sealed = ours.seal(context("a"), &AccessToken::new("hush"), now());
    let other_vault = cipher(2, &key);
    assert!(
        other_vault
            .open(context("a"), &other_vault.key_id().0, &sealed)
            .is_err()
    );
    let other_key = cipher(1, &Fernet::generate_key());
    assert!(
        other_key
            .open(context("a"), &other_key.key_id().0, &sealed)
            .is_err()
    );
    let key_id = &ours.key_id().0;
    let check = ours.check_value(key_id, now()).unwrap();
    assert_eq!(other_key.verify_check(&other_key.key_id().0, &check), None);
    assert_eq!(
        ours.verify_check(key_id, &check),
        Some(KeyCheck::OfKeyAndRows)
    );
}

#[test]
fn a_value_of_an_older_key_opens_with_the_key_it_names() {
    let (old, new) = (Fernet::generate_key(), Fernet::generate_key());
    let before = cipher(1, &old);
    let sealed = before.seal(context("a"), &AccessToken::new("hush"), now());
    let both = cipher(1, &format!("{new}\n{old}"));
    assert_eq!(both.key_id(), cipher(1, &new).key_id());
    let old_id = &before.key_id().0;
    assert_eq!(both.open(context("a"), old_id, &sealed).unwrap(), "hush");
    assert!(both.open(context("a"), &both.key_id().0, &sealed).is_err());
}

#[test]
fn a_fingerprint_depends_on_the_secret_the_owner_the_vault_and_the_key() {
    let (key, other_key) = (Fernet::generate_key(), Fernet::generate_key());
    let [one, other] = [1000, 1001].map(|uid| Owner::from_uid(uid).unwrap());
    let token = AccessToken::new("hush");
    let expected = cipher(1, &key).fingerprint(one, &token);
    assert_eq!(cipher(1, &key).fingerprint(one, &token), expected);
    assert_ne!(cipher(1, &key).fingerprint(other, &token), expected);
    assert_ne!(cipher(2, &key).fingerprint(one, &token), expected);
    assert_ne!(cipher(1, &other_key).fingerprint(one, &token), expected);
    let another = AccessToken::new("hush!");
    assert_ne!(cipher(1, &key).fingerprint(one, &another), expected);
}

#[test]
fn any_clock_seals_and_opens() {
    let cipher = cipher(1, &Fernet::generate_key());
    for millis in [i64::MIN, -1, 0, i64::MAX] {
        let at = Timestamp::from_millis(millis);
        let sealed = cipher.seal(context("a"), &AccessToken::new("hush"), at);
        assert_eq!(
            cipher
                .open(context("a"), &cipher.key_id().0, &sealed)
                .unwrap(),
            "hush"
        );
    }
}

#[test]
fn a_damaged_value_is_refused() {
    let cipher = cipher(1, &Fernet::generate_key());
    let sealed = cipher.seal(context("a"), &AccessToken::new("hush"), now());
    for at in 0..sealed.len() {
        let mut damaged = sealed.clone().into_bytes();
        damaged[at] = if damaged[at] == b'A' { b'B' } else { b'A' };
        let damaged = String::from_utf8(damaged).unwrap();
        // The last character of base64 may carry unused bits.
        let same = cipher
            .open(context("a"), &cipher.key_id().0, &damaged)
            .is_ok();
        assert!(!same || at > sealed.len() - 4, "byte {at}");
    }
}
