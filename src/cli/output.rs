//! What the command line writes: results on standard output, notes on standard
//! error, both a line at a time.
//!
//! Every line passes through here, so that nothing a provider or a daemon says
//! can steer the terminal. A reader that has gone (`| head`) is no failure.

use std::io::{self, ErrorKind, IsTerminal as _, Write};

use serde::Serialize;

/// Writes a line of the result.
///
/// # Errors
/// Standard output cannot be written, and not because its reader has gone.
pub(super) fn line(text: &str) -> io::Result<()> {
    write_line(&mut io::stdout().lock(), &printable(text))
}

/// Writes the result as indented JSON.
///
/// # Errors
/// As [`line`], or the value has no JSON.
pub(super) fn json(value: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    write_line(&mut io::stdout().lock(), &escaped(&text))
}

/// Writes a note for the person. That it cannot be written is no reason to
/// stop what the note is about.
pub(super) fn note(text: &str) {
    write_line(&mut io::stderr().lock(), &printable(text)).ok();
}

/// Shows how things stand on the terminal's current line, over what was shown
/// before; nothing if standard error is no terminal.
pub(super) fn progress(text: &str) {
    let mut stderr = io::stderr().lock();
    if stderr.is_terminal() {
        write!(stderr, "\r\x1b[K{}", printable(text)).ok();
        stderr.flush().ok();
    }
}

/// Writes rows in columns, each as wide as its widest cell.
///
/// # Errors
/// As [`line`].
pub(super) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> io::Result<()> {
    let rows: Vec<[String; N]> = std::iter::once(head.map(str::to_owned))
        .chain(rows.iter().cloned())
        .map(|row| row.map(|cell| printable(&cell)))
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or(0));
    for row in &rows {
        let cells = row.iter().zip(widths);
        let text: String = cells
            .map(|(cell, width)| format!("{cell:width$}  "))
            .collect();
        line(text.trim_end())?;
    }
    Ok(())
}

fn write_line(to: &mut impl Write, text: &str) -> io::Result<()> {
    match writeln!(to, "{text}").and_then(|()| to.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// `text` without what steers a terminal or reorders what it shows.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !steers(*c)).collect()
}

/// JSON in which such characters, which stand only inside strings, are escaped.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && steers(c) {
            text.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            text.push(c);
        }
    }
    text
}

/// Whether `c` is a control character, or one that changes the direction of
/// the text around it (Unicode Standard Annex 9, section 2).
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_provider_says_steers_the_terminal() {
        assert_eq!(
            printable("a\x1b]0;x\x07b\r\nc\u{9b}1m\u{202e}d"),
            "a]0;xbc1md"
        );
    }

    #[test]
    fn escaped_json_means_the_same() {
        let value = serde_json::json!({"a": "x\u{9b}\u{202e}\u{7f}y", "b": [1]});
        let text = escaped(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.chars().any(|c| c != '\n' && steers(c)));
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            value
        );
    }

    #[test]
    fn a_reader_that_has_gone_is_no_failure() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert!(write_line(&mut Gone, "x").is_ok());
    }
}
