//! A program with a token daemon inside: it starts the daemon, stores a token on
//! its first run, and asks for it the way that any local agent would.
//!
//! `cargo run --example embed -- FOLDER`

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "the example shows that it got the token"
)]

use std::error::Error;
use std::path::PathBuf;

use agent_authd::Daemon;
use agent_authd::client::{Authenticate, NewProvider, TokenImport};
use agent_authd::identity::{ProviderId, Scopes};
use agent_authd::secret::{AccessToken, ExposeSecret as _};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).ok_or("usage: embed FOLDER")?;
    let daemon = Daemon::builder()
        .data_dir(PathBuf::from(folder).join("tokens"))
        .redirect_address("127.0.0.1:0".parse()?)
        .start()
        .await?;

    // The daemon's own client; a program in another process uses `Client::new`.
    let client = daemon.client();
    let provider = ProviderId::parse("example").ok_or("not an identifier")?;
    let scopes = Scopes::new(["read"]);
    if client.providers().await?.is_empty() {
        let authorize = "https://auth.example.com/authorize";
        let token = "https://auth.example.com/token";
        let new = NewProvider::new(provider.clone(), "my-client", authorize, token);
        client.create_provider(&new).await?;
        let token = AccessToken::new("example-access-token");
        let import = TokenImport::new(provider.clone(), token, scopes.clone());
        client.import_token(&import).await?;
    }

    // With a real provider, the first answer has a URL for a person to log in at.
    let answer = client
        .authenticate(&Authenticate::new(provider, scopes))
        .await?;
    match (answer.token, answer.url) {
        (Some(token), _) => println!("{}", token.expose_secret()),
        (None, Some(url)) => println!("log in at {url}"),
        (None, None) => return Err("neither a token nor a login".into()),
    }

    daemon.shutdown().await;
    Ok(())
}
