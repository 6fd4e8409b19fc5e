//! The pages of what did not work out: what happened, and what to do now.
//!
//! The words are in `templates/failed.html`, the titles and statuses here.

use askama::Template;

use super::{Page, STYLE, filters, render};

/// Why a sign-in or a request to the listener did not lead to a connection.
#[derive(Clone, Copy, Debug)]
pub enum Failure<'a> {
    /// The person gave no permission, at the provider or on the consent page.
    /// An answer like any other, so the status is 200.
    Refused {
        /// What people call the provider.
        provider_name: &'a str,
    },
    /// The flow's time is over.
    Expired,
    /// No flow has this state. The page echoes nothing of the request.
    UnknownState,
    /// The provider answered with an error (RFC 6749, sections 4.1.2.1 and 5.2).
    ProviderRefused {
        /// What people call the provider.
        provider_name: &'a str,
        /// Its `error`.
        error: &'a str,
        /// Its `error_description`, if any.
        description: Option<&'a str>,
    },
    /// The daemon did not go on with what the provider answered.
    Discarded {
        /// What people call the provider.
        provider_name: &'a str,
        /// The code of the reason.
        error: &'a str,
        /// The reason, a clause in the daemon's own words.
        description: Option<&'a str>,
    },
    /// The provider could not be reached, or its answer made no sense.
    ProviderUnavailable {
        /// What people call the provider.
        provider_name: &'a str,
    },
    /// The daemon is stopping and begins no exchange. The browser asks again by
    /// itself: the state is still good, and the next daemon takes it.
    Restarting,
    /// A link that a browser is started on was used before, or is too old.
    LinkUsed,
    /// No page has this path.
    NotFound,
    /// A parameter is missing, malformed or there twice.
    BadRequest,
    /// The path is known, and only read or only written.
    MethodNotAllowed,
    /// The `Host` is not the listener's own.
    WrongHost,
    /// Another user of the machine brought the redirect.
    OtherUser,
    /// The daemon or its store is in trouble.
    Internal {
        /// The number that the log has too.
        request_id: &'a str,
    },
    /// The vault has no room for the answer to an exchange, so none was begun:
    /// the same redirect can come again.
    CannotStore {
        /// Why, a clause in the daemon's own words.
        why: &'a str,
    },
    /// GitHub came back from a change to an app (`setup_action=update`), which
    /// asks for nothing. No failure, so the status is 200.
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
            Self::UnknownState => "We do not know this link",
            Self::ProviderRefused { .. } => "The provider said no",
            Self::Discarded { .. } => "This sign-in was not finished",
            Self::ProviderUnavailable { .. } => "The provider did not answer",
            Self::Restarting => "One moment",
            Self::LinkUsed => "This link was used already",
            Self::NotFound => "There is nothing here",
            Self::BadRequest => "This link is not complete",
            Self::MethodNotAllowed => "This page is only for reading",
            Self::WrongHost => "This is the wrong address",
            Self::OtherUser => "This link is another user's",
            Self::Internal { .. } => "Something went wrong",
            Self::CannotStore { .. } => "This sign-in must wait",
            Self::SetupUpdated => "Your changes are saved",
        }
    }

    fn is_mishap(&self) -> bool {
        !matches!(self, Self::SetupUpdated | Self::Restarting)
    }

    fn is_asked_again(&self) -> bool {
        matches!(self, Self::Restarting)
    }
}

/// Says what happened, and what to do now.
#[must_use]
pub fn failed(failure: &Failure<'_>) -> Page {
    #[derive(Template)]
    #[template(path = "failed.html")]
    struct Document<'a> {
        failure: &'a Failure<'a>,
    }
    render(&Document { failure }, failure.status())
}
