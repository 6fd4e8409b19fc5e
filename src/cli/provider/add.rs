//! `agent-auth provider add`.

use std::path::PathBuf;

use anyhow::Result;
use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _};
use strum::VariantArray as _;

use super::secret;
use crate::cli::{Cli, output};
use crate::client::{Client, NewProvider};
use crate::identity::ProviderId;
use crate::provider::catalog::{self, PRESETS, Preset};
use crate::provider::{
    AuthMethod, Kind, is_client_id, is_parameter_name, is_reserved_parameter, parse_redirect,
};

const EXAMPLES: &str = "\
Examples:
  agent-auth provider add github --client-id Iv1.0123 --client-secret-file -
  agent-auth provider add google-work --preset google \\
      --client-id 0123.apps.googleusercontent.com --client-secret-file google.secret
  agent-auth provider add intranet --client-id agents \\
      --auth-url https://login.example.com/authorize \\
      --token-url https://login.example.com/token

`agent-auth provider presets` lists the providers whose addresses are built in.";

/// Add a provider and print the redirect address to register with it.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct AddArgs {
    /// The ID for the provider: a letter or digit, then letters, digits, dots,
    /// underscores or hyphens
    #[arg(value_name = "PROVIDER", value_parser = crate::cli::provider_id)]
    id: ProviderId,

    /// The client ID, from the provider
    #[arg(long, value_name = "ID", value_parser = client_id)]
    client_id: String,

    /// The file with the client secret; - reads standard input, or prompts if that
    /// is a terminal. Without it the client is a public client
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<PathBuf>,

    /// The well-known provider whose addresses to use [default: the preset named
    /// PROVIDER, if there is one]
    #[arg(long, value_name = "PRESET",
          value_parser = PossibleValuesParser::new(PRESETS.map(|preset| preset.id)),
          hide_possible_values = true)]
    preset: Option<String>,

    /// The authorization endpoint; required without a preset
    #[arg(long, value_name = "URL", value_parser = super::endpoint)]
    auth_url: Option<String>,

    /// The token endpoint; required without a preset
    #[arg(long, value_name = "URL", value_parser = super::endpoint)]
    token_url: Option<String>,

    /// The display name [default: the preset's name, or the ID]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// How the client authenticates at the token endpoint [default:
    /// client_secret_post, or none for a public client]
    #[arg(long, value_name = "METHOD",
          requires_ifs = AuthMethod::VARIANTS.iter().filter(|method| **method != AuthMethod::None)
              .map(|method| (method.as_str(), "client_secret_file")),
          value_parser = PossibleValuesParser::new(AuthMethod::VARIANTS.iter().map(|method| method.as_str())))]
    auth_method: Option<String>,

    /// Do not use PKCE, for servers that reject it; requires a client secret
    #[arg(long, requires = "client_secret_file")]
    no_pkce: bool,

    /// The kind of provider, if its host name does not show it
    #[arg(long = "type", value_name = "TYPE",
          value_parser = PossibleValuesParser::new(Kind::VARIANTS.iter().map(|kind| kind.as_str())))]
    kind: Option<String>,

    /// An extra parameter of each authorization request; may be repeated
    #[arg(long = "param", value_name = "KEY=VALUE", value_parser = pair)]
    params: Vec<(String, String)>,

    /// A redirect address to allow in addition to the local one; may be repeated
    #[arg(long = "allow-redirect", value_name = "URI", value_parser = parse_redirect)]
    allowed_redirects: Vec<String>,
}

/// Adds the provider.
pub(super) async fn execute(client: &Client, args: AddArgs) -> Result<()> {
    let preset = catalog::find(args.preset.as_deref().unwrap_or(args.id.as_str()));
    let known = |pick: fn(&Preset) -> &'static str| preset.map(|preset| pick(preset).to_owned());
    let (Some(auth_url), Some(token_url)) = (
        args.auth_url.or_else(|| known(|preset| preset.auth_url)),
        args.token_url.or_else(|| known(|preset| preset.token_url)),
    ) else {
        missing_addresses(&args.id)
    };
    let secret = args
        .client_secret_file
        .as_deref()
        .map(secret::read)
        .transpose()?;
    let is_public = secret.is_none();
    let provider = NewProvider {
        name: args
            .name
            .or_else(|| known(|preset| preset.name))
            .unwrap_or_else(|| args.id.to_string()),
        provider_id: args.id,
        client_id: args.client_id,
        client_secret: secret,
        auth_url,
        token_url,
        uses_pkce: args.no_pkce.then_some(false),
        provider_type: args.kind,
        token_endpoint_auth_method: args.auth_method,
        authorization_params: args.params.into_iter().collect(),
        allowed_redirect_uris: args.allowed_redirects,
    };
    let added = client.create_provider(&provider).await?;
    output::note(&format!("Added {}.", added.provider_id));
    if is_public {
        output::note("The client has no secret, so it is a public client.");
    }
    if let Some(redirect_uri) = added.default_redirect_uri {
        output::note("Register this redirect address with the provider:");
        output::line(&redirect_uri)?;
    }
    output::note(&format!(
        "Then log in: agent-auth login {} --scope …",
        added.provider_id
    ));
    Ok(())
}

/// Exits as clap does for a missing argument. Which arguments are required is known
/// only after the look-up in the catalog.
fn missing_addresses(id: &ProviderId) -> ! {
    let similar = catalog::similar(id.as_str());
    let similar = similar.map_or_else(String::new, |preset| {
        format!("; for the similar preset {:?} use --preset", preset.id)
    });
    let message = format!(
        "there is no preset {id:?}, so --auth-url and --token-url are required \
         (`agent-auth provider presets` lists the presets{similar})",
        id = id.as_str()
    );
    let mut cli = Cli::command();
    cli.build();
    let add = cli
        .find_subcommand_mut("provider")
        .and_then(|provider| provider.find_subcommand_mut("add"));
    let error = match add {
        Some(add) => add.error(ErrorKind::MissingRequiredArgument, message),
        None => Cli::command().error(ErrorKind::MissingRequiredArgument, message),
    };
    error.exit()
}

fn client_id(text: &str) -> Result<String, &'static str> {
    if is_client_id(text) {
        Ok(text.to_owned())
    } else {
        Err("it must be 1 to 2048 visible ASCII characters or spaces")
    }
}

fn pair(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((key, _)) if is_reserved_parameter(key) => {
            Err("agent-authd sets this parameter itself, for each login")
        }
        Some((key, value)) if is_parameter_name(key) => Ok((key.to_owned(), value.to_owned())),
        _ => Err(
            "it must be KEY=VALUE, and KEY may have letters, digits, dots, underscores and hyphens",
        ),
    }
}
