//! The providers that the machine's administrator offers to every local user:
//! a folder of TOML files, one provider each.
//!
//! A file has the fields of the API's request that creates a provider, but for the
//! secret, which is in a file of its own that `client_secret_file` names. A file
//! that others than root and the daemon's own user could have written is refused,
//! since it decides where people are sent to log in.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::Error;
use crate::clock::Timestamp;
use crate::identity::ProviderId;
use crate::provider::{Builder, Fault, Provider};
use crate::secret::ClientSecret;
use crate::shell::quoted_path;
use crate::trusted::Owners;

/// What a file's name ends with.
const EXTENSION: &str = "toml";

/// A file's key for its secret, and the key of the API's request that it stands
/// for.
const SECRET_FILE: &str = "client_secret_file";
const SECRET: &str = "client_secret";

/// The longest file, in bytes: many times what a provider takes.
const LONGEST_FILE: u64 = 64 * 1024;

/// Reads every provider in `folders`; where two folders have one of the same
/// identifier, that of the earlier folder counts. A folder that does not exist
/// is empty.
///
/// # Errors
/// The first fault, with its file; then nothing has been read.
pub fn load(folders: &[PathBuf]) -> Result<Vec<Provider>, Error> {
    let mut all = BTreeMap::new();
    for folder in folders {
        let mut here = BTreeMap::<ProviderId, Provider>::new();
        for path in files_of(folder)? {
            let provider = read(&path)?;
            let id = provider.provider_id.clone();
            if here.insert(id.clone(), provider).is_some() {
                let what = format!("another file of this folder has the provider_id {id:?} too");
                return Err(fault(&path, what));
            }
        }
        for (id, provider) in here {
            all.entry(id).or_insert(provider);
        }
    }
    Ok(all.into_values().collect())
}

/// The files of a folder, by name.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |source| unreadable(folder, source);
    let entries = match folder.read_dir() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(unreadable)?,
    };
    require_trusted(folder, &folder.metadata().map_err(unreadable)?)?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !is_hidden && path.extension().is_some_and(|found| found == EXTENSION) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A file, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderFile {
    provider_id: Option<String>,
    name: Option<String>,
    client_id: Option<String>,
    client_secret_file: Option<PathBuf>,
    auth_url: Option<String>,
    token_url: Option<String>,
    uses_pkce: Option<bool>,
    code_challenge_method: Option<String>,
    provider_type: Option<String>,
    token_endpoint_auth_method: Option<String>,
    #[serde(default)]
    authorization_params: BTreeMap<String, String>,
    #[serde(default)]
    allowed_redirect_uris: Vec<String>,
}

impl ProviderFile {
    fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        toml::from_str(text).map_err(|error| {
            if has_secret(text) {
                let what = format!(
                    "the secret must be in a file of its own; name that file as {SECRET_FILE}"
                );
                return fault(path, what);
            }
            let before = error.span().map_or(0, |span| span.start);
            Error::Syntax {
                path: path.to_owned(),
                line: super::entry::line_of(text, before),
                what: error.message().to_owned(),
            }
        })
    }

    fn into_builder(self, client_secret: Option<ClientSecret>) -> Builder {
        Builder {
            provider_id: self.provider_id,
            name: self.name,
            client_id: self.client_id,
            client_secret,
            auth_url: self.auth_url,
            token_url: self.token_url,
            uses_pkce: self.uses_pkce,
            code_challenge_method: self.code_challenge_method,
            provider_type: self.provider_type,
            token_endpoint_auth_method: self.token_endpoint_auth_method,
            authorization_params: self.authorization_params,
            allowed_redirect_uris: self.allowed_redirect_uris,
        }
    }
}

/// Whether a file that was refused has the secret itself in it.
fn has_secret(text: &str) -> bool {
    toml::from_str::<toml::Table>(text).is_ok_and(|table| table.contains_key(SECRET))
}

fn read(path: &Path) -> Result<Provider, Error> {
    let (text, metadata) = read_file(path)?;
    let file = ProviderFile::parse(path, &text)?;
    let named = file.client_secret_file.as_deref();
    let secret = named.map(|named| read_secret(path, named)).transpose()?;
    let definition = file.into_builder(secret).build();
    let definition = definition.map_err(|faults| fault(path, listed(&faults)))?;
    if definition.provider_id.is_reserved() {
        let what = "its provider_id is reserved, since a path of the API has that name";
        return Err(fault(path, what.to_owned()));
    }
    Ok(definition.into_platform_provider(changed_at(&metadata)))
}

fn listed(faults: &[Fault]) -> String {
    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    faults.join("; ")
}

/// The text of a file that only the administrator can have written, and what
/// is known of it.
fn read_file(path: &Path) -> Result<(Zeroizing<String>, Metadata), Error> {
    let unreadable = |source| unreadable(path, source);
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    require_trusted(path, &metadata)?;
    if !metadata.is_file() || metadata.len() > LONGEST_FILE {
        let what = format!("it must be a file of at most {LONGEST_FILE} bytes");
        return Err(fault(path, what));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(LONGEST_FILE)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    Ok((text, metadata))
}

/// The secret in the file `named`, whose path starts at the provider's own folder.
fn read_secret(path: &Path, named: &Path) -> Result<ClientSecret, Error> {
    if named.as_os_str().is_empty() {
        let what = format!("`{SECRET_FILE}` must be the path of a file");
        return Err(fault(path, what));
    }
    let secret_path = path.parent().unwrap_or(Path::new("")).join(named);
    let (text, metadata) = read_file(&secret_path)?;
    if metadata.mode() & 0o007 != 0 {
        let what = format!(
            "others can read this secret; run: chmod o= {}",
            quoted_path(&secret_path)
        );
        return Err(fault(&secret_path, what));
    }
    match text.trim() {
        "" => Err(fault(&secret_path, "there is no secret in it".to_owned())),
        secret => Ok(ClientSecret::new(secret)),
    }
}

/// Refuses a file that others than root and the daemon's own user could have
/// written.
fn require_trusted(path: &Path, metadata: &Metadata) -> Result<(), Error> {
    let owners = Owners::of_this_process();
    let checked = owners
        .require_way(path)
        .and_then(|()| owners.require_own(path, metadata));
    checked.map_err(|error| fault(path, error.why))
}

fn changed_at(metadata: &Metadata) -> Timestamp {
    let age = metadata
        .modified()
        .ok()
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let millis = age.and_then(|age| i64::try_from(age.as_millis()).ok());
    Timestamp::from_millis(millis.unwrap_or(0))
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    Error::Unreadable {
        path: path.to_owned(),
        source,
    }
}

fn fault(path: &Path, what: String) -> Error {
    Error::Provider {
        path: path.to_owned(),
        what,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::*;
    use crate::provider::Source;

    const GITHUB: &str = "provider_id = 'github'\nname = 'GitHub'\nclient_id = 'c'\n\
         auth_url = 'https://example.com/authorize'\ntoken_url = 'https://example.com/token'\n";

    /// Writes a file that no other user can write or read.
    fn write(folder: &TempDir, name: &str, text: &str) {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }

    fn folder_with(files: &[(&str, &str)]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            write(&folder, name, text);
        }
        folder
    }

    fn loaded(folder: &TempDir) -> Result<Vec<Provider>, String> {
        load(&[folder.path().to_owned()]).map_err(|error| error.to_string())
    }

    fn refusal(files: &[(&str, &str)]) -> String {
        loaded(&folder_with(files)).unwrap_err()
    }

    #[test]
    fn a_file_is_a_provider_and_the_secret_lies_beside_it() {
        let text = format!("{GITHUB}client_secret_file = 'github.secret'\n");
        let folder = folder_with(&[("a.toml", &text), ("github.secret", "canary\n")]);
        let providers = loaded(&folder).unwrap();
        let [github] = providers.as_slice() else {
            panic!("one provider: {providers:?}");
        };
        assert_eq!(github.source, Source::Platform);
        assert!(github.client.is_confidential());
        assert!(!format!("{github:?}").contains("canary"));
        assert_eq!(loaded(&folder).unwrap()[0].id, github.id);
    }

    #[test]
    fn what_is_no_provider_file_is_not_looked_at() {
        let folder = folder_with(&[(".a.toml", "x"), ("a.toml~", "x"), ("README", "x")]);
        assert!(loaded(&folder).unwrap().is_empty());
        assert!(
            load(&["/nonexistent/providers.d".into()])
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn the_earlier_folder_wins() {
        let (first, second) = (
            folder_with(&[("a.toml", GITHUB)]),
            folder_with(&[("b.toml", &GITHUB.replace("'c'", "'other'"))]),
        );
        let folders = [first.path().to_owned(), second.path().to_owned()];
        let providers = load(&folders).unwrap();
        assert_eq!(providers.len(), 1);
        assert_eq!(providers[0].client.client_id, "c");
    }

    #[test]
    fn a_fault_names_its_file_and_field() {
        let missing = refusal(&[("a.toml", "provider_id = 'x'\n")]);
        assert!(missing.contains("a.toml: "), "{missing}");
        assert!(
            missing.contains("`token_url`: it is missing, and must be there"),
            "{missing}"
        );
        let unknown = refusal(&[("a.toml", &format!("{GITHUB}use_pkce = true\n"))]);
        assert!(
            unknown.contains("line 6: unknown field `use_pkce`"),
            "{unknown}"
        );
        assert!(unknown.contains("`uses_pkce`"), "{unknown}");
        let twice = refusal(&[("a.toml", GITHUB), ("b.toml", GITHUB)]);
        assert!(twice.contains("b.toml: another file"), "{twice}");
        let broken = refusal(&[("a.toml", "name = 'x'\nname = \n")]);
        assert!(broken.contains("line 2"), "{broken}");
    }

    #[test]
    fn one_answer_names_every_fault_of_a_file() {
        let refused = refusal(&[(
            "a.toml",
            "provider_id = 'a/b'\nname = 'X'\nclient_id = 'c'\nuses_pkce = false\n\
             auth_url = 'http://example.com/'\ntoken_url = 'https://example.com/token'\n",
        )]);
        for fault in [
            "`provider_id`: it must match",
            "`auth_url`: it must be https",
            "`uses_pkce`: PKCE cannot be turned off for a public client",
        ] {
            assert!(refused.contains(fault), "{refused}");
        }
    }

    #[test]
    fn a_secret_in_the_file_itself_is_refused_and_not_shown() {
        let refused = refusal(&[("a.toml", &format!("{GITHUB}client_secret = 'canary'\n"))]);
        assert!(refused.contains("client_secret_file"), "{refused}");
        assert!(!refused.contains("canary"), "{refused}");
    }

    #[test]
    fn what_others_can_write_or_a_secret_they_can_read_is_refused() {
        let text = format!("{GITHUB}client_secret_file = 's'\n");
        let folder = folder_with(&[("a.toml", &text), ("s", "canary")]);
        let set_mode = |name: &str, mode| {
            let path = folder.path().join(name);
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        };
        set_mode("s", 0o644);
        assert!(loaded(&folder).unwrap_err().contains("chmod o="));
        set_mode("s", 0o640);
        set_mode("a.toml", 0o664);
        assert!(loaded(&folder).unwrap_err().contains("chmod go-w"));
        set_mode("a.toml", 0o644);
        set_mode("", 0o777);
        assert!(loaded(&folder).unwrap_err().contains("chmod go-w"));
        set_mode("", 0o755);
        assert_eq!(loaded(&folder).unwrap().len(), 1);
    }
}
