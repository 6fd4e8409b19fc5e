//! Readers of values.
//!
//! A reader converts a value to a domain type, or records an error and returns
//! `None`. JSON types are not converted (`"true"` is not a boolean). Numbers in a
//! query are parsed from text, as pydantic does.

use std::collections::BTreeMap;
use std::num::IntErrorKind;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Number, Value};
use strum::VariantArray as _;
use url::Url;
use uuid::Uuid;

use super::{FieldValue, Problem, lengths};
use crate::identity::{ProviderId, Scopes, TokenId, check_label};
use crate::provider::{
    AuthMethod, CLIENT_ID_PATTERN, EndpointError, Kind, LONGEST_ADDRESS, LONGEST_PARAMETERS,
    MOST_REDIRECT_URIS, ParameterError, Pkce, is_client_id, parse_endpoint, parse_redirect,
};

/// A text.
pub(crate) fn text(field: &mut FieldValue<'_>) -> Option<String> {
    borrowed_text(field, Problem::not_text).map(str::to_owned)
}

/// A text that is not empty.
pub(crate) fn non_empty_text(field: &mut FieldValue<'_>) -> Option<String> {
    let text = text(field)?;
    if text.is_empty() {
        return field.refuse(Problem::empty_text());
    }
    Some(text)
}

/// A label without invisible characters.
pub(crate) fn label(field: &mut FieldValue<'_>) -> Option<String> {
    let text = text(field)?;
    match check_label(&text) {
        Ok(()) => Some(text),
        Err(error) => field.refuse(Problem::of_label(error)),
    }
}

/// A label that is not empty.
pub(crate) fn filled_label(field: &mut FieldValue<'_>) -> Option<String> {
    let text = label(field)?;
    if text.is_empty() {
        return field.refuse(Problem::empty_text());
    }
    Some(text)
}

/// A client identifier (RFC 6749, appendix A.1).
pub(crate) fn client_id(field: &mut FieldValue<'_>) -> Option<String> {
    let text = borrowed_text(field, Problem::not_text)?;
    if !is_client_id(text) {
        return field.refuse(Problem::not_of_pattern(CLIENT_ID_PATTERN));
    }
    Some(text.to_owned())
}

/// A text of at most `most` characters.
fn text_within(field: &mut FieldValue<'_>, most: usize) -> Option<String> {
    let text = text(field)?;
    if text.chars().nth(most).is_some() {
        return field.refuse(Problem::too_long(most));
    }
    Some(text)
}

/// A URL, which is validated later.
pub(crate) fn address_text(field: &mut FieldValue<'_>) -> Option<String> {
    text_within(field, LONGEST_ADDRESS)
}

fn borrowed_text<'a>(field: &mut FieldValue<'a>, otherwise: fn() -> Problem) -> Option<&'a str> {
    match field.value() {
        Value::String(text) => Some(text),
        _ => field.refuse(otherwise()),
    }
}

/// A boolean. Numbers and texts are not converted.
pub(crate) fn boolean(field: &mut FieldValue<'_>) -> Option<bool> {
    match field.value() {
        Value::Bool(boolean) => Some(*boolean),
        Value::String(_) => field.refuse(Problem::not_a_boolean_text()),
        Value::Number(number) if whole(number).is_some() => {
            field.refuse(Problem::not_a_boolean_text())
        }
        _ => field.refuse(Problem::not_a_boolean()),
    }
}

/// A duration in whole seconds, not negative.
pub(crate) fn seconds(field: &mut FieldValue<'_>) -> Option<Duration> {
    natural(field).map(|seconds| Duration::from_secs(seconds.unsigned_abs()))
}

/// The generation of a grant.
pub(crate) fn generation(field: &mut FieldValue<'_>) -> Option<i64> {
    natural(field)
}

/// A whole number, not negative. `3.0` is whole.
fn natural(field: &mut FieldValue<'_>) -> Option<i64> {
    let number = match field.value() {
        Value::Number(number) => number,
        Value::String(_) => return field.refuse(Problem::not_an_integer_text()),
        _ => return field.refuse(Problem::not_an_integer()),
    };
    match whole(number) {
        None => field.refuse(Problem::fractional()),
        Some(whole) if whole < 0 => field.refuse(Problem::below(0)),
        whole => whole,
    }
}

/// A number without a fraction, saturated to 64 bits.
fn whole(number: &Number) -> Option<i64> {
    let float = || number.as_f64().filter(|float| float.fract() == 0.0);
    number.as_i64().or_else(|| Some(float()? as i64))
}

/// A number in a query, within `range`.
pub(crate) fn whole_number<T>(field: &mut FieldValue<'_>, range: RangeInclusive<T>) -> Option<T>
where
    T: Copy + PartialOrd + Into<i64> + TryFrom<i64>,
{
    let text = borrowed_text(field, Problem::not_text)?;
    let Some(number) = parsed_integer(text) else {
        return field.refuse(Problem::not_an_integer_text());
    };
    let (least, most) = ((*range.start()).into(), (*range.end()).into());
    if number < least {
        return field.refuse(Problem::below(least));
    }
    match T::try_from(number) {
        Ok(number) if range.contains(&number) => Some(number),
        _ => field.refuse(Problem::above(most)),
    }
}

/// An integer in JSON's notation, saturated to 64 bits. FastAPI also accepts ` 5`,
/// `+5` and `5.0`, which are not integers by its own document.
fn parsed_integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    text.parse().map_or_else(
        |error: std::num::ParseIntError| match error.kind() {
            IntErrorKind::PosOverflow => Some(i64::MAX),
            IntErrorKind::NegOverflow => Some(i64::MIN),
            _ => None,
        },
        Some,
    )
}

/// An array whose items are read with `read`. All items are read, to find all
/// errors.
pub(crate) fn list<T>(
    field: &mut FieldValue<'_>,
    read: impl Fn(&mut FieldValue<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let Value::Array(items) = field.value() else {
        return field.refuse(Problem::not_a_list());
    };
    let read: Vec<_> = items
        .iter()
        .enumerate()
        .map(|(index, item)| field.item(index, item, &read))
        .collect();
    read.into_iter().collect()
}

/// An array of scopes.
pub(crate) fn scopes(field: &mut FieldValue<'_>) -> Option<Scopes> {
    let texts = list(field, text)?;
    let scopes = Scopes::new(texts.iter().map(String::as_str));
    if scopes.join(" ").len() > lengths::SCOPES {
        let most = lengths::SCOPES;
        let clause = format!("the scopes take more than {most} bytes together");
        return field.refuse(Problem::rule(&clause).hiding_input());
    }
    Some(scopes)
}

/// The metadata of a token: any object.
pub(crate) fn object(field: &mut FieldValue<'_>) -> Option<Map<String, Value>> {
    let Value::Object(members) = field.value() else {
        return field.refuse(Problem::not_a_dictionary());
    };
    if !lengths::fits(field.value(), lengths::METADATA) {
        let most = lengths::METADATA;
        let clause = format!("it takes more than {most} bytes as JSON");
        return field.refuse(Problem::rule(&clause).hiding_input());
    }
    Some(members.clone())
}

/// An object with text values. `check` validates the names of its members.
pub(crate) fn text_map(
    field: &mut FieldValue<'_>,
    check: fn(&str) -> Result<(), ParameterError>,
) -> Option<BTreeMap<String, String>> {
    let Value::Object(members) = field.value() else {
        return field.refuse(Problem::not_a_dictionary());
    };
    let read: Vec<_> = members
        .iter()
        .map(|(name, member)| {
            field.member(name, member, |inner| {
                if let Err(error) = check(name) {
                    return inner.refuse(Problem::rule(&error.to_string()));
                }
                Some((name.clone(), text(inner)?))
            })
        })
        .collect();
    let map: BTreeMap<_, _> = read.into_iter().collect::<Option<_>>()?;
    let size = |(name, value): (&String, &String)| name.len() + value.len();
    if map.iter().map(size).sum::<usize>() > LONGEST_PARAMETERS {
        let most = LONGEST_PARAMETERS;
        let clause = format!("the parameters take more than {most} bytes together");
        return field.refuse(Problem::rule(&clause).hiding_input());
    }
    Some(map)
}

/// The identifier of a token, a UUID.
pub(crate) fn token_id(field: &mut FieldValue<'_>) -> Option<TokenId> {
    let text = borrowed_text(field, Problem::uuid_not_text)?;
    match Uuid::parse_str(text) {
        Ok(uuid) => Some(TokenId::new(uuid)),
        Err(error) => field.refuse(Problem::not_a_uuid(&error.to_string())),
    }
}

/// The identifier of a new provider.
pub(crate) fn provider_id(field: &mut FieldValue<'_>) -> Option<ProviderId> {
    let text = borrowed_text(field, Problem::not_text)?;
    ProviderId::parse(text).or_else(|| field.refuse(Problem::not_of_pattern(ProviderId::PATTERN)))
}

/// The URL of an OAuth endpoint or an MCP server.
pub(crate) fn endpoint(field: &mut FieldValue<'_>) -> Option<Url> {
    let text = borrowed_address(field)?;
    parse_endpoint(text).map_or_else(|error| field.refuse(bad_address(text, error)), Some)
}

/// A redirect URI: absolute and without a fragment; returned unchanged.
fn redirect_uri(field: &mut FieldValue<'_>) -> Option<String> {
    let text = borrowed_address(field)?;
    parse_redirect(text).map_or_else(|error| field.refuse(bad_address(text, error)), Some)
}

fn borrowed_address<'a>(field: &mut FieldValue<'a>) -> Option<&'a str> {
    let text = borrowed_text(field, Problem::url_not_text)?;
    if text.len() > LONGEST_ADDRESS {
        return field.refuse(Problem::too_long(LONGEST_ADDRESS).hiding_input());
    }
    Some(text)
}

/// A list of redirect URIs; returned unchanged.
pub(crate) fn redirect_uris(field: &mut FieldValue<'_>) -> Option<Vec<String>> {
    let uris = list(field, redirect_uri)?;
    if uris.len() > MOST_REDIRECT_URIS {
        return field.refuse(Problem::too_many(MOST_REDIRECT_URIS, uris.len()));
    }
    Some(uris)
}

fn bad_address(text: &str, error: EndpointError) -> Problem {
    match error {
        EndpointError::NotAUrl => Problem::not_a_url(&why_not_a_url(text)),
        EndpointError::Insecure => Problem::insecure_url(),
        EndpointError::Fragment => Problem::not_a_url(&error.to_string()),
        // The user information may contain a password.
        EndpointError::UserInfo | EndpointError::Obscure => {
            Problem::not_a_url(&error.to_string()).hiding_input()
        }
    }
}

fn why_not_a_url(text: &str) -> String {
    if text.is_empty() {
        return "input is empty".to_owned();
    }
    Url::parse(text).map_or_else(|error| error.to_string(), |_| String::new())
}

/// A domain type with a fixed set of names in the contract.
pub(crate) trait Choice: Copy + 'static {
    /// The values with their names, in the contract's order.
    fn choices() -> Vec<(&'static str, Self)>;
}

impl Choice for AuthMethod {
    fn choices() -> Vec<(&'static str, Self)> {
        let choices = Self::VARIANTS.iter();
        choices.map(|method| (method.into(), *method)).collect()
    }
}

impl Choice for Kind {
    fn choices() -> Vec<(&'static str, Self)> {
        let choices = Self::VARIANTS.iter();
        choices.map(|kind| (kind.into(), *kind)).collect()
    }
}

/// The methods; `uses_pkce` is the field that turns PKCE off.
impl Choice for Pkce {
    fn choices() -> Vec<(&'static str, Self)> {
        [Self::S256, Self::Plain]
            .into_iter()
            .filter_map(|pkce| Some((pkce.method()?, pkce)))
            .collect()
    }
}

/// One of the names of `T`.
pub(crate) fn choice<T: Choice>(field: &mut FieldValue<'_>) -> Option<T> {
    let choices = T::choices();
    let chosen = choices
        .iter()
        .find(|(name, _)| field.value().as_str() == Some(name));
    if let Some((_, value)) = chosen {
        return Some(*value);
    }
    let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
    field.refuse(Problem::not_one_of(&names))
}
