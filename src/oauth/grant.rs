//! Converts a token reply of the `oauth2` crate to a [`Grant`].

use oauth2::TokenResponse as _;
use oauth2::basic::BasicTokenType;

use super::account;
use super::redact::Redactor;
use super::request::TokenReply;
use crate::clock::Timestamp;
use crate::identity::Scopes;
use crate::secret::{AccessToken, RefreshToken};
use crate::token::Grant;

/// The grant in a reply to a request that was sent at `asked_at`. Its lifetime is
/// counted from then, so that it is never overestimated.
#[expect(
    clippy::disallowed_methods,
    reason = "the tokens of the oauth2 crate are converted to secret types at once"
)]
pub(super) fn of(reply: &TokenReply, asked_at: Timestamp, mut redactor: Redactor) -> Grant {
    let access_token = AccessToken::new(reply.access_token().secret());
    let refresh_token = reply
        .refresh_token()
        .map(|token| RefreshToken::new(token.secret()));
    redactor.hide(&access_token);
    if let Some(refresh_token) = &refresh_token {
        redactor.hide(refresh_token);
    }
    let token_type = match reply.token_type() {
        BasicTokenType::Bearer => "Bearer", // as RFC 6750, section 2.1, writes it
        other => other.as_ref(),
    };
    // Rounded down to whole seconds, as servers do: otherwise a token with a
    // short lifetime could be used after the server considers it expired.
    let counted_from = Timestamp::from_millis(asked_at.as_seconds().saturating_mul(1000));
    let expires_at = reply
        .expires_in()
        .map(|life| counted_from.plus_seconds(i64::try_from(life.as_secs()).unwrap_or(i64::MAX)));
    let scopes = reply
        .scopes()
        .map(|scopes| Scopes::new(scopes.iter().map(|scope| scope.as_str())));
    let members = reply.extra_fields().all.clone();
    Grant {
        access_token,
        refresh_token,
        token_type: token_type.to_owned(),
        scopes,
        expires_at,
        account_id: account::identifier(&members, &redactor),
        account_label: account::label(&members, &redactor),
        metadata: account::metadata(members, &redactor),
    }
}
