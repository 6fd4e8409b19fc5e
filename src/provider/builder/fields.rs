//! Validates the fields of a provider file. No message contains a value.

use std::collections::BTreeMap;

use strum::VariantArray as _;
use url::Url;

use crate::identity::{ProviderId, check_label};
use crate::provider::{
    AuthMethod, CLIENT_ID_PATTERN, Kind, LONGEST_ADDRESS, LONGEST_PARAMETERS, MOST_REDIRECT_URIS,
    Pkce, check_parameter_name, is_client_id, parse_endpoint, parse_redirect,
};

pub(super) fn provider_id(text: &str) -> Result<ProviderId, String> {
    ProviderId::parse(text).ok_or_else(|| format!("it must match {}", ProviderId::PATTERN))
}

pub(super) fn label(text: &str) -> Result<String, String> {
    let checked = check_label(text).map(|()| text.to_owned());
    checked.map_err(|error| error.to_string())
}

pub(super) fn client_id(text: &str) -> Result<String, String> {
    if !is_client_id(text) {
        return Err(format!("it must match {CLIENT_ID_PATTERN}"));
    }
    Ok(text.to_owned())
}

pub(super) fn endpoint(text: &str) -> Result<Url, String> {
    short_address(text)?;
    parse_endpoint(text).map_err(|error| error.to_string())
}

fn short_address(text: &str) -> Result<(), String> {
    if text.len() > LONGEST_ADDRESS {
        return Err(format!("it must have at most {LONGEST_ADDRESS} characters"));
    }
    Ok(())
}

pub(super) fn redirects(uris: &[String]) -> Result<(), String> {
    if uris.len() > MOST_REDIRECT_URIS {
        return Err(format!(
            "it must list at most {MOST_REDIRECT_URIS} addresses"
        ));
    }
    for (index, uri) in uris.iter().enumerate() {
        let checked = short_address(uri)
            .and_then(|()| parse_redirect(uri).map_err(|error| error.to_string()));
        checked.map_err(|what| format!("address {} of the list: {what}", index + 1))?;
    }
    Ok(())
}

pub(super) fn parameters(parameters: &BTreeMap<String, String>) -> Result<(), String> {
    for name in parameters.keys() {
        let shown = name.escape_debug();
        check_parameter_name(name).map_err(|error| format!("{shown}: {error}"))?;
    }
    let size = |(name, value): (&String, &String)| name.len() + value.len();
    if parameters.iter().map(size).sum::<usize>() > LONGEST_PARAMETERS {
        return Err(format!(
            "the parameters take more than {LONGEST_PARAMETERS} bytes together"
        ));
    }
    Ok(())
}

pub(super) fn pkce(text: &str) -> Result<Pkce, String> {
    one_of(text, &[Pkce::S256, Pkce::Plain])
}

pub(super) fn kind(text: &str) -> Result<Kind, String> {
    one_of(text, Kind::VARIANTS)
}

pub(super) fn auth_method(text: &str) -> Result<AuthMethod, String> {
    one_of(text, AuthMethod::VARIANTS)
}

fn one_of<T: Copy + Into<&'static str>>(text: &str, choices: &[T]) -> Result<T, String> {
    let name = |choice: &T| -> &'static str { (*choice).into() };
    let chosen = choices.iter().find(|choice| name(choice) == text);
    chosen.copied().ok_or_else(|| {
        let names: Vec<_> = choices
            .iter()
            .map(|choice| format!("{:?}", name(choice)))
            .collect();
        format!("it must be one of {}", names.join(", "))
    })
}
