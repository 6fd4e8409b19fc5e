//! Text as one word of a POSIX shell, for the commands that messages tell a person
//! to run.

use std::path::Path;

/// `text` as one word, quoted where it needs to be.
#[must_use]
pub(crate) fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "+-./:@_".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A path as one word, quoted where it needs to be.
#[must_use]
pub(crate) fn quoted_path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// The word as a shell reads it.
    fn read_by_shell(word: &str) -> String {
        let script = format!("printf %s {word}");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn a_word_is_quoted_only_where_it_needs_to_be() {
        assert_eq!(quoted("https://x.example/a.b"), "https://x.example/a.b");
        assert_eq!(quoted_path(Path::new("/a/b-c.db")), "/a/b-c.db");
        for text in [
            "",
            "two words",
            "it's",
            "$HOME",
            "a;b",
            "~",
            "*",
            "a\"b",
            "!x",
            "^y",
            "a\nb",
            "a\\b",
            "é",
        ] {
            let word = quoted(text);
            assert_eq!(read_by_shell(&word), text, "{word}");
            assert!(word != text || text == "é", "{word}");
        }
    }
}
