//! What real providers do differently from the RFCs, as data.
//!
//! A provider's quirks are chosen by its `provider_type` first, and then by the
//! exact host of its token endpoint. A provider in neither table has none: the
//! protocol applies as it is. No quirk can override what the protocol itself sets.
//!
//! The rows are as known on 2026-11-20, and they age: where a provider's own
//! documents say otherwise, they are right.

use url::Url;

use crate::provider::{AuthMethod, Kind, Provider};

/// How the parameters of a token request are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenBody {
    /// As a form (RFC 6749, section 4.1.3).
    Form,
    /// As a JSON object.
    Json,
}

/// How a grant is ended at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// RFC 7009, at the provider's revocation endpoint; where none is known,
    /// at this address relative to the token endpoint, and so on its host.
    Rfc7009 {
        /// The relative address.
        beside_token: Option<&'static str>,
    },
    /// A call of the provider's own API, made with the access token itself, at
    /// this address relative to the token endpoint.
    OwnCall {
        /// The relative address.
        beside_token: &'static str,
    },
    /// GitHub's `DELETE /applications/{client_id}/grant`.
    GitHubGrant {
        /// Where GitHub's API is, ending in `/`.
        api: &'static str,
    },
}

impl Revocation {
    /// Whether the revocation of one token ends the whole authorization of the
    /// account and the client, or may (RFC 7009, section 2.1). Slack's call ends
    /// the token that it is made with.
    #[must_use]
    pub fn ends_authorization(&self) -> bool {
        !matches!(self, Self::OwnCall { .. })
    }
}

/// The host that a provider accepts in a loopback redirect address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopbackHost {
    /// `127.0.0.1`, as RFC 8252, section 7.3, has it.
    Ipv4,
    /// `localhost`, for providers that refuse addresses.
    Localhost,
}

/// What a provider does differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quirks {
    /// What stands between two scopes in a request.
    pub scope_separator: &'static str,
    /// How the parameters of a token request are written.
    pub token_body: TokenBody,
    /// Headers that its token endpoint wants.
    pub token_headers: &'static [(&'static str, &'static str)],
    /// Parameters of the authorization request without which no refresh token
    /// comes, or none at all; the provider's own settings win over them.
    pub authorization_params: &'static [(&'static str, &'static str)],
    /// The parameter that has the provider let the person choose an account,
    /// though the browser may be signed in to one; `None` where there is none.
    pub account_choice: Option<(&'static str, &'static str)>,
    /// The life of an access token, in seconds, when a reply does not say.
    pub default_expires_in: Option<u32>,
    /// How a grant is ended.
    pub revocation: Revocation,
    /// The host of a loopback redirect address.
    pub redirect_host: LoopbackHost,
    /// Whether the `resource` parameter of RFC 8707 may be sent.
    pub sends_resource: bool,
    /// Whether a refresh must name the scopes (RFC 6749, section 6).
    pub refresh_sends_scopes: bool,
    /// How a confidential client proves itself, where only one way is taken.
    pub confidential_auth: Option<AuthMethod>,
    /// Scopes without which no refresh token comes.
    pub added_scopes: &'static [&'static str],
    /// The member of an error reply that holds its code, where that is not
    /// `error`.
    pub error_member: Option<&'static str>,
    /// Errors that mean the same as `invalid_grant` here: a code, and what its
    /// description must hold.
    pub grant_ending_errors: &'static [(&'static str, &'static str)],
    /// How long an unused refresh token stays valid, in seconds; `None` where it
    /// does not expire, or that is not known.
    pub refresh_token_idle_life: Option<u32>,
    /// The member in which a token is nested when the reply has none at its top.
    pub nested_grant: Option<&'static str>,
}

impl Quirks {
    /// The plain protocol.
    pub const NONE: Self = Self {
        scope_separator: " ",
        token_body: TokenBody::Form,
        token_headers: &[],
        authorization_params: &[],
        // OpenID Connect Core, section 3.1.2.1; other servers ignore what they do
        // not know (RFC 6749, section 3.1).
        account_choice: Some(("prompt", "select_account")),
        default_expires_in: None,
        revocation: Revocation::Rfc7009 { beside_token: None },
        redirect_host: LoopbackHost::Ipv4,
        sends_resource: true,
        refresh_sends_scopes: false,
        confidential_auth: None,
        added_scopes: &[],
        error_member: None,
        grant_ending_errors: &[],
        refresh_token_idle_life: None,
        nested_grant: None,
    };
}

impl Provider {
    /// What this provider does differently: by its kind, else by its host.
    #[must_use]
    pub fn quirks(&self) -> Quirks {
        match self.kind {
            Some(Kind::Microsoft) => MICROSOFT,
            Some(Kind::Salesforce) => SALESFORCE,
            Some(Kind::Slack) => SLACK,
            Some(Kind::X) => X,
            None => self
                .endpoints
                .token
                .host_str()
                .map_or(Quirks::NONE, of_host),
        }
    }
}

/// Whether a token endpoint is Slack's, by its host.
pub(super) fn is_slack(token_url: &Url) -> bool {
    token_url
        .host_str()
        .is_some_and(|host| of_host(host) == SLACK)
}

/// A day, in seconds.
const DAY: u32 = 86_400;

fn of_host(host: &str) -> Quirks {
    HOSTS
        .iter()
        .find(|(known, _)| *known == host)
        .map_or(Quirks::NONE, |(_, quirks)| *quirks)
}

/// The hosts of well-known token endpoints. A provider with a host per customer
/// (Salesforce, Okta, Auth0) is known by its kind, or needs no quirks.
const HOSTS: [(&str, Quirks); 20] = [
    ("api.dropbox.com", DROPBOX),
    ("api.dropboxapi.com", DROPBOX),
    ("api.hubapi.com", HUBSPOT),
    ("api.linear.app", LINEAR),
    ("api.notion.com", NOTION),
    ("api.twitter.com", X),
    ("api.x.com", X),
    ("auth.atlassian.com", ATLASSIAN),
    ("github.com", GITHUB),
    ("login.microsoftonline.com", MICROSOFT),
    ("login.microsoftonline.us", MICROSOFT),
    ("login.partner.microsoftonline.cn", MICROSOFT),
    ("login.salesforce.com", SALESFORCE),
    ("oauth2.googleapis.com", GOOGLE),
    ("slack-gov.com", SLACK),
    ("slack.com", SLACK),
    ("ssl.reddit.com", REDDIT),
    ("test.salesforce.com", SALESFORCE),
    ("www.reddit.com", REDDIT),
    ("zoom.us", ZOOM),
];

const ATLASSIAN: Quirks = Quirks {
    // Its `prompt` is `consent` and nothing else.
    account_choice: None,
    authorization_params: &[("audience", "api.atlassian.com"), ("prompt", "consent")],
    added_scopes: &["offline_access"],
    grant_ending_errors: &[("unauthorized_client", "refresh_token is invalid")],
    refresh_token_idle_life: Some(90 * DAY),
    ..Quirks::NONE
};

const DROPBOX: Quirks = Quirks {
    account_choice: Some(("force_reauthentication", "true")),
    authorization_params: &[("token_access_type", "offline")],
    revocation: Revocation::OwnCall {
        beside_token: "/2/auth/token/revoke",
    },
    ..Quirks::NONE
};

const GITHUB: Quirks = Quirks {
    revocation: Revocation::GitHubGrant {
        api: "https://api.github.com/",
    },
    grant_ending_errors: &[("bad_refresh_token", ""), ("bad_verification_code", "")],
    refresh_token_idle_life: Some(180 * DAY),
    ..Quirks::NONE
};

const GOOGLE: Quirks = Quirks {
    authorization_params: &[("access_type", "offline"), ("prompt", "consent")],
    // The 7 days of an app in Testing are a term that no use prolongs.
    refresh_token_idle_life: Some(180 * DAY),
    revocation: Revocation::Rfc7009 {
        beside_token: Some("revoke"),
    },
    ..Quirks::NONE
};

const HUBSPOT: Quirks = Quirks {
    redirect_host: LoopbackHost::Localhost,
    error_member: Some("status"),
    grant_ending_errors: &[("BAD_REFRESH_TOKEN", ""), ("BAD_AUTH_CODE", "")],
    ..Quirks::NONE
};

const LINEAR: Quirks = Quirks {
    // Its consent screen is where a workspace is chosen.
    account_choice: Some(("prompt", "consent")),
    scope_separator: ",",
    revocation: Revocation::Rfc7009 {
        beside_token: Some("revoke"),
    },
    ..Quirks::NONE
};

const MICROSOFT: Quirks = Quirks {
    added_scopes: &["offline_access"],
    redirect_host: LoopbackHost::Localhost,
    sends_resource: false,
    refresh_sends_scopes: true,
    grant_ending_errors: &[("interaction_required", ""), ("consent_required", "")],
    refresh_token_idle_life: Some(90 * DAY),
    ..Quirks::NONE
};

const NOTION: Quirks = Quirks {
    token_body: TokenBody::Json,
    token_headers: &[("notion-version", "2025-09-03")],
    authorization_params: &[("owner", "user")],
    revocation: Revocation::Rfc7009 {
        beside_token: Some("revoke"),
    },
    confidential_auth: Some(AuthMethod::ClientSecretBasic),
    ..Quirks::NONE
};

const REDDIT: Quirks = Quirks {
    authorization_params: &[("duration", "permanent")],
    revocation: Revocation::Rfc7009 {
        beside_token: Some("revoke_token"),
    },
    confidential_auth: Some(AuthMethod::ClientSecretBasic),
    ..Quirks::NONE
};

const SALESFORCE: Quirks = Quirks {
    default_expires_in: Some(7_200),
    revocation: Revocation::Rfc7009 {
        beside_token: Some("revoke"),
    },
    ..Quirks::NONE
};

const SLACK: Quirks = Quirks {
    scope_separator: ",",
    revocation: Revocation::OwnCall {
        beside_token: "auth.revoke",
    },
    grant_ending_errors: &[
        ("account_inactive", ""),
        ("code_already_used", ""),
        ("invalid_code", ""),
        ("invalid_refresh_token", ""),
        ("token_expired", ""),
        ("token_revoked", ""),
    ],
    nested_grant: Some("authed_user"),
    ..Quirks::NONE
};

const X: Quirks = Quirks {
    refresh_token_idle_life: Some(180 * DAY),
    added_scopes: &["offline.access"],
    revocation: Revocation::Rfc7009 {
        beside_token: Some("revoke"),
    },
    confidential_auth: Some(AuthMethod::ClientSecretBasic),
    ..Quirks::NONE
};

const ZOOM: Quirks = Quirks {
    refresh_token_idle_life: Some(90 * DAY),
    revocation: Revocation::Rfc7009 {
        beside_token: Some("revoke"),
    },
    confidential_auth: Some(AuthMethod::ClientSecretBasic),
    ..Quirks::NONE
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_exact_and_in_order() {
        assert!(HOSTS.is_sorted_by(|one, next| one.0 < next.0));
        assert_eq!(of_host("slack.com"), SLACK);
        for unknown in ["", "example.com", "evil-slack.com", "slack.com.example.com"] {
            assert_eq!(of_host(unknown), Quirks::NONE, "{unknown}");
        }
    }

    #[test]
    fn no_quirk_sets_a_reserved_parameter() {
        for (host, quirks) in HOSTS {
            for (name, _) in quirks.authorization_params {
                assert!(!crate::provider::is_reserved_parameter(name), "{host}");
            }
        }
    }

    #[test]
    fn header_names_are_lower_case_as_http_wants_them() {
        for (host, quirks) in HOSTS {
            for (name, _) in quirks.token_headers {
                assert_eq!(*name, name.to_ascii_lowercase(), "{host}");
            }
        }
    }

    #[test]
    fn tokens_are_revoked_on_the_host_they_came_from() {
        for (host, quirks) in HOSTS {
            let token = Url::parse(&format!("https://{host}/oauth/token")).unwrap();
            let (Revocation::Rfc7009 {
                beside_token: Some(address),
            }
            | Revocation::OwnCall {
                beside_token: address,
            }) = quirks.revocation
            else {
                continue;
            };
            assert_eq!(
                token.join(address).unwrap().origin(),
                token.origin(),
                "{host}"
            );
        }
    }
}
