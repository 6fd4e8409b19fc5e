//! Reads a client secret from a file, standard input or a prompt. Never from the
//! command line, which every local user can read.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use zeroize::Zeroizing;

use crate::secret::ClientSecret;

/// The longest secret that is read, in bytes. Real secrets are shorter than 200 bytes,
/// so a longer file was probably named by mistake.
const MAX_LENGTH: u64 = 8 * 1024;

/// Reads the secret from the file at `path`; if `path` is `-`, from standard input, or
/// from a prompt without echo if standard input is a terminal.
///
/// White space around the secret is removed.
///
/// # Errors
/// It cannot be read, is empty, too long, or not UTF-8.
pub(super) fn read(path: &Path) -> Result<ClientSecret> {
    let text = if path != Path::new("-") {
        let file = File::open(path);
        from(file.with_context(|| format!("cannot open {}", path.display()))?)
            .with_context(|| format!("cannot read the client secret from {}", path.display()))?
    } else if io::stdin().is_terminal() {
        Zeroizing::new(
            rpassword::prompt_password("Client secret: ")
                .context("cannot prompt for the client secret")?,
        )
    } else {
        from(io::stdin().lock()).context("cannot read the client secret from standard input")?
    };
    let text = text.trim();
    ensure!(!text.is_empty(), "the client secret is empty");
    Ok(ClientSecret::new(text))
}

fn from(source: impl Read) -> Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let length = source.take(MAX_LENGTH + 1).read_to_string(&mut text)?;
    if length as u64 > MAX_LENGTH {
        bail!("it is longer than {MAX_LENGTH} bytes");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::ExposeSecret as _;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test looks inside")]
    fn the_line_end_is_not_part_of_the_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "s3cret\n").unwrap();
        assert_eq!(read(&path).unwrap().expose_secret(), "s3cret");
    }

    #[test]
    fn an_empty_or_overlong_secret_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, " \n").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("empty"));
        std::fs::write(&path, "x".repeat(9000)).unwrap();
        let error = format!("{:#}", read(&path).unwrap_err());
        assert!(error.contains("longer than 8192 bytes"), "{error}");
    }
}
