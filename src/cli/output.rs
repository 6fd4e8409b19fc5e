//! What the command line writes: results on standard output, notes on standard
//! error, both a line at a time.
//!
//! Every line passes through here, so that nothing a provider or a daemon says
//! can steer the terminal. A reader that has gone (`| head`) is no failure.

use std::io::{self, ErrorKind, IsTerminal as _, Write};

use serde::Serialize;

use crate::visible::{is_invisible, shown};

/// Writes a line of the result.
///
/// # Errors
/// Standard output cannot be written, and not because its reader has gone.
pub(super) fn line(text: &str) -> io::Result<()> {
    write_line(&mut io::stdout().lock(), &shown(text))
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
    write_line(&mut io::stderr().lock(), &shown(text)).ok();
}

/// Asks the person: as [`note`], and the answer is typed on the same line.
pub(super) fn prompt(text: &str) {
    let mut stderr = io::stderr().lock();
    write!(stderr, "{}", shown(text)).ok();
    stderr.flush().ok();
}

/// Shows how things stand on the terminal's current line, over what was shown
/// before; nothing if standard error is no terminal.
pub(super) fn progress(text: &str) {
    let mut stderr = io::stderr().lock();
    if stderr.is_terminal() {
        write!(stderr, "\r\x1b[K{}", shown(text)).ok();
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
        .map(|row| row.map(|cell| shown(&cell)))
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

/// JSON in which such characters, which stand only inside strings, are escaped.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && is_invisible(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_json_means_the_same() {
        let value = serde_json::json!({"a": "x\u{9b}\u{202e}\u{7f}\u{200b}\u{e0041}y", "b": [1]});
        let text = escaped(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.chars().any(|c| c != '\n' && is_invisible(c)));
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
