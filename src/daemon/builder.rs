//! What a daemon needs before it starts, and the defaults.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf, absolute};

use super::{Daemon, Error, Options, PlatformProvider, RedirectAddress, start};
use crate::clock::Env;
use crate::paths::{self, Defaults};
use crate::provider::Provider;
use crate::vault::{self, KeyStore};

/// The socket's name in the data folder of an embedding program.
const SOCKET: &str = "agent-auth.sock";

/// Where the vault's key comes from. A copy of the vault is worth nothing
/// without it, so that it is never kept in the data folder.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySource {
    /// This file, made with mode 0600 where it is missing. It must not lie in
    /// the data folder.
    File(PathBuf),
    /// The credential `vault-key` of systemd, in `$CREDENTIALS_DIRECTORY`
    /// (systemd.exec(5), `LoadCredentialEncrypted=`).
    Credential,
    /// The login keychain of macOS.
    Keychain,
    /// The desktop's Secret Service; needs the feature `secret-service`.
    SecretService,
    /// As `agent-authd` does: systemd's credential where there is one, else the
    /// Keychain on macOS, else this file.
    Auto(PathBuf),
}

/// A daemon that is not started yet. Each method replaces a default.
#[derive(Debug)]
#[must_use = "a daemon serves only after `start`"]
pub struct Builder {
    data_dir: Option<PathBuf>,
    socket: Option<PathBuf>,
    key_source: Option<KeySource>,
    redirect_address: RedirectAddress,
    offered: Vec<PlatformProvider>,
    providers: Vec<Provider>,
    options: Options,
    env: Env,
    inherited: (Option<UnixListener>, Vec<TcpListener>),
}

/// A builder whose defaults are filled in; every path is absolute.
pub(super) struct Resolved {
    pub(super) vault: vault::Options,
    pub(super) socket: PathBuf,
    pub(super) redirect_address: RedirectAddress,
    pub(super) providers: Vec<Provider>,
    pub(super) options: Options,
    pub(super) env: Env,
    pub(super) inherited: (Option<UnixListener>, Vec<TcpListener>),
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            data_dir: None,
            socket: None,
            key_source: None,
            redirect_address: RedirectAddress::DEFAULT,
            offered: Vec::new(),
            providers: Vec::new(),
            options: Options::default(),
            env: Env::system(),
            inherited: (None, Vec::new()),
        }
    }
}

impl Builder {
    /// The folder of the vault, made with mode 0700 where it is missing.
    ///
    /// Without it, socket, vault and key are those of this user's `agent-authd`.
    pub fn data_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.data_dir = Some(folder.as_ref().to_owned());
        self
    }

    /// The Unix socket to listen on. Its folder is made with mode 0700 where it
    /// is missing; its file, with mode 0600.
    ///
    /// The default is `agent-auth.sock` in the data folder.
    pub fn socket(mut self, path: impl AsRef<Path>) -> Self {
        self.socket = Some(path.as_ref().to_owned());
        self
    }

    /// Where the vault's key comes from.
    ///
    /// The default is a file beside the data folder, with `.key` after the
    /// folder's name.
    pub fn key_source(mut self, source: KeySource) -> Self {
        self.key_source = Some(source);
        self
    }

    /// The loopback address that browsers return to after a login (RFC 8252,
    /// section 7.3). Port 0 takes a free one at each start, which fits only
    /// providers that allow any port of a loopback redirect.
    ///
    /// The default is `127.0.0.1:8252`.
    pub fn redirect_address(mut self, address: RedirectAddress) -> Self {
        self.redirect_address = address;
        self
    }

    /// Offers a provider to every user of the daemon; may be called repeatedly.
    pub fn platform_provider(mut self, provider: PlatformProvider) -> Self {
        self.offered.push(provider);
        self
    }

    /// The clock and the source of randomness, for tests.
    ///
    /// The default is the system's.
    pub fn env(mut self, env: Env) -> Self {
        self.env = env;
        self
    }

    /// Providers that are checked already, to offer to every user.
    pub(crate) fn offering(mut self, providers: Vec<Provider>) -> Self {
        self.providers = providers;
        self
    }

    /// The settings that only the program `agent-authd` changes.
    pub(crate) fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Sockets that a service manager bound: the API's and those of redirects.
    pub(crate) fn inherited(
        mut self,
        api: Option<UnixListener>,
        redirects: Vec<TcpListener>,
    ) -> Self {
        self.inherited = (api, redirects);
        self
    }

    /// Starts the daemon in the tokio runtime that this is called in; it serves
    /// when this returns. Where another daemon holds the socket or the vault,
    /// this waits for its end for a second, or up to 45 s if it is stopping.
    ///
    /// # Errors
    /// [`Error`] says what keeps it from serving.
    pub async fn start(self) -> Result<Daemon, Error> {
        start::start(self.resolved()?).await
    }

    fn resolved(self) -> Result<Resolved, Error> {
        let (data_dir, socket, key_source) = match self.data_dir {
            Some(folder) => {
                let key_file = key_beside(&folder)?;
                let socket = folder.join(SOCKET);
                (folder, socket, KeySource::File(key_file))
            }
            None => {
                let usual = Defaults::of_this_user().map_err(|_| Error::NoHome)?;
                let socket = usual.socket(&usual.data_dir);
                let key_source = KeySource::Auto(usual.key_file());
                (usual.data_dir, socket, key_source)
            }
        };
        let data_dir = full(&data_dir)?;
        let socket = full(&self.socket.unwrap_or(socket))?;
        paths::check_socket(&socket).map_err(|error| unusable(&socket, error))?;
        let mut providers = self.providers;
        providers.extend(checked(self.offered, &self.env)?);
        let (key_store, key_file) = key_place(self.key_source.unwrap_or(key_source), &data_dir)?;
        Ok(Resolved {
            vault: vault::Options {
                data_dir,
                key_store,
                key_file,
                max_events: self.options.max_events,
            },
            socket,
            redirect_address: self.redirect_address,
            providers,
            options: self.options,
            env: self.env,
            inherited: self.inherited,
        })
    }
}

/// The providers that the embedding program defined, as of now.
pub(super) fn checked(offered: Vec<PlatformProvider>, env: &Env) -> Result<Vec<Provider>, Error> {
    let now = env.now();
    let providers = offered.into_iter().map(|given| given.into_provider(now));
    providers.collect()
}

/// The default key file of a vault in `folder`.
fn key_beside(folder: &Path) -> Result<PathBuf, Error> {
    let folder = full(folder)?;
    let name = folder.file_name();
    let mut name = name
        .ok_or_else(|| unusable(&folder, "the vault's folder needs a name of its own"))?
        .to_owned();
    name.push(".key");
    Ok(folder.with_file_name(name))
}

/// The key store and its file. Stores other than the file ignore the path.
fn key_place(source: KeySource, data_dir: &Path) -> Result<(KeyStore, PathBuf), Error> {
    let (store, file) = match source {
        KeySource::Auto(file) => (KeyStore::Auto, file),
        KeySource::File(file) => (KeyStore::File, file),
        KeySource::Credential => return Ok((KeyStore::Credential, PathBuf::new())),
        KeySource::Keychain => return Ok((KeyStore::Keychain, PathBuf::new())),
        KeySource::SecretService => return Ok((KeyStore::SecretService, PathBuf::new())),
    };
    let file = full(&file)?;
    if file.starts_with(data_dir) {
        let why = "the key must not lie in the vault's folder, since a copy of the folder would then hold both";
        return Err(unusable(&file, why));
    }
    Ok((store, file))
}

fn full(path: &Path) -> Result<PathBuf, Error> {
    absolute(path).map_err(|error| unusable(path, error))
}

fn unusable(path: &Path, why: impl ToString) -> Error {
    Error::UnusablePath {
        path: path.to_owned(),
        why: why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_in_the_data_folder_and_the_key_beside_it() {
        let resolved = Daemon::builder().data_dir("/srv/app/tokens").resolved();
        let resolved = resolved.unwrap();
        assert_eq!(
            resolved.socket,
            Path::new("/srv/app/tokens/agent-auth.sock")
        );
        assert_eq!(resolved.vault.data_dir, Path::new("/srv/app/tokens"));
        assert_eq!(resolved.vault.key_file, Path::new("/srv/app/tokens.key"));
        assert_eq!(resolved.vault.key_store, KeyStore::File);
    }

    #[test]
    fn a_path_that_cannot_be_used_is_an_error_that_names_it() {
        let refusal = |builder: Builder| match builder.resolved() {
            Err(Error::UnusablePath { path, .. }) => path,
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("it was taken"),
        };
        let builder = || Daemon::builder().data_dir("/srv/app");
        let inside = KeySource::File("/srv/app/key".into());
        assert_eq!(
            refusal(builder().key_source(inside)),
            Path::new("/srv/app/key")
        );
        assert_eq!(refusal(Daemon::builder().data_dir("/")), Path::new("/"));
        let long = format!("/{}", "x".repeat(200));
        assert_eq!(refusal(builder().socket(&long)), Path::new(&long));
    }
}
