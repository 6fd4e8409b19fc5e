//! Where a client secret comes from: a file, standard input, or a person's
//! fingers. Never the command line, which every local user can read.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use zeroize::Zeroizing;

use crate::secret::ClientSecret;

/// The longest secret that is read, in bytes. Real ones have less than 200; a
/// longer file was surely named by mistake.
const LONGEST: u64 = 8 * 1024;

/// Reads the secret from the file at `path`, or from standard input if that
/// is `-`; asks for it, unseen, if standard input is a terminal.
///
/// Blanks and line ends around it are not part of it.
///
/// # Errors
/// It cannot be read, is empty, too long, or not UTF-8.
pub(super) fn read(path: &Path) -> Result<ClientSecret> {
    let text = if path != Path::new("-") {
        let file = File::open(path);
        from(file.with_context(|| format!("cannot open {}", path.display()))?)
            .with_context(|| format!("cannot take the client secret from {}", path.display()))?
    } else if io::stdin().is_terminal() {
        Zeroizing::new(
            rpassword::prompt_password("Client secret: ").context("cannot ask for the secret")?,
        )
    } else {
        from(io::stdin().lock()).context("cannot take the client secret from standard input")?
    };
    let text = text.trim();
    ensure!(!text.is_empty(), "the client secret is empty");
    Ok(ClientSecret::new(text))
}

fn from(source: impl Read) -> Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let length = source.take(LONGEST + 1).read_to_string(&mut text)?;
    if length as u64 > LONGEST {
        bail!("it is longer than {LONGEST} bytes");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::ExposeSecret as _;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test looks inside")]
    fn a_file_gives_its_secret_without_the_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "s3cret\n").unwrap();
        assert_eq!(read(&path).unwrap().expose_secret(), "s3cret");
    }

    #[test]
    fn no_secret_or_a_huge_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, " \n").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("empty"));
        std::fs::write(&path, "x".repeat(9000)).unwrap();
        let error = format!("{:#}", read(&path).unwrap_err());
        assert!(error.contains("longer than 8192 bytes"), "{error}");
    }
}
