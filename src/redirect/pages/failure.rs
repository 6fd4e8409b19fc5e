//! The error pages: what happened, and what to do.
//!
//! The texts are in `templates/failed.html`, the titles and statuses here.

use askama::Template;

use super::{Page, STYLE, filters, render};

/// Why a login or another request to the listener failed.
#[derive(Clone, Copy, Debug)]
pub enum Failure<'a> {
    /// The person refused, at the provider or on the consent page. This is a valid
    /// decision, so the status is 200.
    Refused {
        /// The name of the provider.
        provider_name: &'a str,
    },
    /// The flow has expired.
    Expired,
    /// No flow has this state. The page shows nothing of the request.
    UnknownState,
    /// The provider answered with an error (RFC 6749, sections 4.1.2.1 and 5.2).
    ProviderRefused {
        /// The name of the provider.
        provider_name: &'a str,
        /// Its `error`.
        error: &'a str,
        /// Its `error_description`, if any.
        description: Option<&'a str>,
    },
    /// The daemon rejected the response of the provider.
    Discarded {
        /// The name of the provider.
        provider_name: &'a str,
        /// The error code.
        error: &'a str,
        /// The daemon's description of the error.
        description: Option<&'a str>,
    },
    /// The provider could not be reached, or its response was malformed.
    ProviderUnavailable {
        /// The name of the provider.
        provider_name: &'a str,
    },
    /// The daemon is stopping and starts no exchange. The page reloads itself: the
    /// state is still valid, and the next daemon accepts it.
    Restarting,
    /// A one-time link was used before, or has expired.
    LinkUsed,
    /// No page has this path.
    NotFound,
    /// A parameter is missing, invalid or repeated.
    BadRequest,
    /// The path does not support this method.
    MethodNotAllowed,
    /// The `Host` is not one of the listener's.
    WrongHost,
    /// Another user of the machine sent the request.
    OtherUser,
    /// The daemon or its vault failed.
    Internal {
        /// The identifier of the request, which the log contains too.
        request_id: &'a str,
    },
    /// The vault cannot store the result of an exchange, so none was started. The
    /// same callback can be sent again.
    CannotStore {
        /// The reason.
        why: &'a str,
    },
    /// GitHub redirected here after a change to an app (`setup_action=update`),
    /// which needs no action. This is not a failure, so the status is 200.
    SetupUpdated,
}

impl Failure<'_> {
    fn status(&self) -> u16 {
        match self {
            Self::Refused { .. } | Self::SetupUpdated => 200,
            Self::UnknownState | Self::BadRequest => 400,
            Self::OtherUser => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Expired | Self::LinkUsed => 410,
            Self::WrongHost => 421,
            Self::Internal { .. } => 500,
            Self::ProviderRefused { .. } | Self::Discarded { .. } => 502,
            Self::ProviderUnavailable { .. } | Self::Restarting | Self::CannotStore { .. } => 503,
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "Nothing was connected",
            Self::Expired => "This link has expired",
            Self::UnknownState => "This link is not known",
            Self::ProviderRefused { .. } => "The provider refused this sign-in",
            Self::Discarded { .. } => "This sign-in was not finished",
            Self::ProviderUnavailable { .. } => "The provider did not answer",
            Self::Restarting => "One moment",
            Self::LinkUsed => "This link was used already",
            Self::NotFound => "There is nothing here",
            Self::BadRequest => "This link is not complete",
            Self::MethodNotAllowed => "This page accepts no input",
            Self::WrongHost => "This is the wrong address",
            Self::OtherUser => "This link is another user's",
            Self::Internal { .. } => "Something went wrong",
            Self::CannotStore { .. } => "This sign-in cannot be stored yet",
            Self::SetupUpdated => "Your changes are saved",
        }
    }

    fn is_error(&self) -> bool {
        !matches!(self, Self::SetupUpdated | Self::Restarting)
    }

    fn reloads(&self) -> bool {
        matches!(self, Self::Restarting)
    }
}

/// The page that says what happened, and what to do.
#[must_use]
pub fn failed(failure: &Failure<'_>) -> Page {
    #[derive(Template)]
    #[template(path = "failed.html")]
    struct Document<'a> {
        failure: &'a Failure<'a>,
    }
    render(&Document { failure }, failure.status())
}
