//! Output of the command line: results on standard output, notes on standard error.
//!
//! All output passes through this module, which escapes characters that would control
//! the terminal. A reader that closes the pipe (`| head`) is not a failure.

use std::io::{self, ErrorKind, IsTerminal as _, Write};

use serde::Serialize;

use crate::visible::{is_invisible, shown};

/// Writes a line of the result.
///
/// # Errors
/// Standard output cannot be written, for another reason than a closed pipe.
pub(super) fn line(text: &str) -> io::Result<()> {
    write_line(&mut io::stdout().lock(), &shown(text))
}

/// Writes the result as indented JSON.
///
/// # Errors
/// As [`line`], or the value cannot be written as JSON.
pub(super) fn json(value: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    write_line(&mut io::stdout().lock(), &escaped(&text))
}

/// Writes a note for the person. A failure to write it is ignored.
pub(super) fn note(text: &str) {
    write_line(&mut io::stderr().lock(), &shown(text)).ok();
}

/// Writes a question, as [`note`] does, without a line end: the answer follows it.
pub(super) fn prompt(text: &str) {
    let mut stderr = io::stderr().lock();
    write!(stderr, "{}", shown(text)).ok();
    stderr.flush().ok();
}

/// Replaces the terminal's current line with `text`. Writes nothing if standard error
/// is not a terminal.
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

/// Escapes invisible characters in JSON. They occur only inside strings.
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
    fn escaped_json_has_the_same_value() {
        let value = serde_json::json!({"a": "x\u{9b}\u{202e}\u{7f}\u{200b}\u{e0041}y", "b": [1]});
        let text = escaped(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.chars().any(|c| c != '\n' && is_invisible(c)));
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            value
        );
    }

    #[test]
    fn a_closed_pipe_is_not_a_failure() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert!(write_line(&mut Closed, "x").is_ok());
    }
}
