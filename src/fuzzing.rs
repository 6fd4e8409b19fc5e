//! The fuzz targets. Each is a function that panics if a property does not hold for
//! its input.
//!
//! `fuzz/` runs them with inputs of libFuzzer, and the tests below with every file
//! of the corpus. The assertions are in a `fuzzing.rs` of the tested module, which
//! can use its private items. Release builds contain none of this.

/// The query of a callback.
pub fn callback_query(data: &[u8]) {
    crate::redirect::fuzzing::callback_query(data);
}

/// The reply of a token endpoint: a line with its status and its `Retry-After`, then
/// its body.
pub fn token_reply(data: &[u8]) {
    crate::oauth::fuzzing::token_reply(data);
}

/// The body of an API request.
pub fn request_body(data: &[u8]) {
    crate::api::requests::fuzzing::request_body(data);
}

/// The settings file.
pub fn config_file(data: &[u8]) {
    crate::config::fuzzing::config_file(data);
}

/// A sealed value: a line with its owner, its column and the modification, a line
/// with its row, one with another row, then the secret.
pub fn row_envelope(data: &[u8]) {
    crate::vault::fuzzing::row_envelope(data);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Runs every file of a target's corpus.
    fn run_corpus(name: &str, target: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/corpus")
            .join(name);
        let mut files = 0;
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            // Shown if the test fails.
            println!("{}", path.display());
            target(&fs::read(path).unwrap());
            files += 1;
        }
        assert!(files > 0, "{} is empty", folder.display());
    }

    #[test]
    fn the_corpus_of_callback_query_holds() {
        run_corpus("callback_query", callback_query);
    }

    #[test]
    fn the_corpus_of_token_reply_holds() {
        run_corpus("token_reply", token_reply);
    }

    #[test]
    fn the_corpus_of_request_body_holds() {
        run_corpus("request_body", request_body);
    }

    #[test]
    fn the_corpus_of_config_file_holds() {
        run_corpus("config_file", config_file);
    }

    #[test]
    fn the_corpus_of_row_envelope_holds() {
        run_corpus("row_envelope", row_envelope);
    }
}
