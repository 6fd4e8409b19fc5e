//! How real providers deviate from the RFCs, as data.
//!
//! The quirks of a provider are selected by its `provider_type`, else by the exact
//! host of its token endpoint. All other providers have none. A quirk cannot
//! override a parameter that the protocol sets.
//!
//! The data is as of 2026-11-20. If a provider's documentation differs, it is
//! right.

use std::time::Duration;

use url::Url;

use crate::provider::{AuthMethod, Kind, Provider};

/// How the parameters of a token request are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenBody {
    /// As a form (RFC 6749, section 4.1.3).
    Form,
    /// As a JSON object.
    Json,
}

/// How a grant is revoked at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// RFC 7009, at the provider's revocation endpoint. If none is configured, at
    /// a URL relative to the token endpoint.
    Rfc7009 {
        /// The relative URL.
        relative_url: Option<&'static str>,
    },
    /// An API call of the provider, authorized by the access token, at a URL
    /// relative to the token endpoint.
    OwnCall {
        /// The relative URL.
        relative_url: &'static str,
    },
    /// GitHub's `DELETE /applications/{client_id}/grant`.
    GitHubGrant {
        /// The base URL of GitHub's API, ending in `/`.
        api: &'static str,
    },
}

impl Revocation {
    /// Whether revoking one token may end the whole authorization of the account
    /// and the client (RFC 7009, section 2.1). Slack's call revokes only the
    /// token that it is made with.
    #[must_use]
    pub fn ends_authorization(&self) -> bool {
        !matches!(self, Self::OwnCall { .. })
    }
}

/// The host that a provider accepts in a loopback redirect URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopbackHost {
    /// `127.0.0.1` (RFC 8252, section 7.3).
    Ipv4,
    /// `localhost`, for providers that reject IP addresses.
    Localhost,
}

/// The deviations of one provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quirks {
    /// The separator of scopes in a request.
    pub scope_separator: &'static str,
    /// How the parameters of a token request are encoded.
    pub token_body: TokenBody,
    /// Headers that its token endpoint requires.
    pub token_headers: &'static [(&'static str, &'static str)],
    /// Parameters of the authorization request that the provider requires for a
    /// refresh token or for any token. The provider's settings override them.
    pub authorization_params: &'static [(&'static str, &'static str)],
    /// The parameter that makes the provider offer a choice of accounts even if
    /// the browser is signed in to one; `None` if there is none.
    pub account_choice: Option<(&'static str, &'static str)>,
    /// The lifetime of an access token if the reply does not contain it.
    pub default_expires_in: Option<Duration>,
    /// How a grant is revoked.
    pub revocation: Revocation,
    /// The host of a loopback redirect URI.
    pub redirect_host: LoopbackHost,
    /// Whether the `resource` parameter of RFC 8707 may be sent.
    pub sends_resource: bool,
    /// Whether a refresh must include the scopes (RFC 6749, section 6).
    pub refresh_sends_scopes: bool,
    /// How a confidential client authenticates, if the provider supports only one
    /// method.
    pub confidential_auth: Option<AuthMethod>,
    /// Scopes that the provider requires for a refresh token.
    pub added_scopes: &'static [&'static str],
    /// The member of an error reply that contains its code, if it is not `error`.
    pub error_member: Option<&'static str>,
    /// Errors that mean the same as `invalid_grant`: the code, and a text that the
    /// description must contain.
    pub grant_ending_errors: &'static [(&'static str, &'static str)],
    /// The time after which an unused refresh token expires; `None` if it does not
    /// expire or the time is not documented.
    pub refresh_token_idle_life: Option<Duration>,
    /// The member that contains the token if it is not at the top level.
    pub nested_grant: Option<&'static str>,
}

impl Quirks {
    /// No deviations.
    pub const NONE: Self = Self {
        scope_separator: " ",
        token_body: TokenBody::Form,
        token_headers: &[],
        authorization_params: &[],
        // OpenID Connect Core, section 3.1.2.1. Other servers ignore unknown
        // parameters (RFC 6749, section 3.1).
        account_choice: Some(("prompt", "select_account")),
        default_expires_in: None,
        revocation: Revocation::Rfc7009 { relative_url: None },
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
    /// The quirks of this provider, by its kind, else by its host.
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

const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}

fn of_host(host: &str) -> Quirks {
    HOSTS
        .iter()
        .find(|(known, _)| *known == host)
        .map_or(Quirks::NONE, |(_, quirks)| *quirks)
}

/// The hosts of well-known token endpoints. Providers with a host per customer
/// (Salesforce, Okta, Auth0) are recognized by their kind, or have no quirks.
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
    // The only value of its `prompt` is `consent`.
    account_choice: None,
    authorization_params: &[("audience", "api.atlassian.com"), ("prompt", "consent")],
    added_scopes: &["offline_access"],
    grant_ending_errors: &[("unauthorized_client", "refresh_token is invalid")],
    refresh_token_idle_life: Some(days(90)),
    ..Quirks::NONE
};

const DROPBOX: Quirks = Quirks {
    account_choice: Some(("force_reauthentication", "true")),
    authorization_params: &[("token_access_type", "offline")],
    revocation: Revocation::OwnCall {
        relative_url: "/2/auth/token/revoke",
    },
    ..Quirks::NONE
};

const GITHUB: Quirks = Quirks {
    revocation: Revocation::GitHubGrant {
        api: "https://api.github.com/",
    },
    grant_ending_errors: &[("bad_refresh_token", ""), ("bad_verification_code", "")],
    refresh_token_idle_life: Some(days(180)),
    ..Quirks::NONE
};

const GOOGLE: Quirks = Quirks {
    authorization_params: &[("access_type", "offline"), ("prompt", "consent")],
    // Refresh tokens of an app in Testing expire after 7 days even if used.
    refresh_token_idle_life: Some(days(180)),
    revocation: Revocation::Rfc7009 {
        relative_url: Some("revoke"),
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
    // The workspace is chosen on the consent screen.
    account_choice: Some(("prompt", "consent")),
    scope_separator: ",",
    revocation: Revocation::Rfc7009 {
        relative_url: Some("revoke"),
    },
    ..Quirks::NONE
};

const MICROSOFT: Quirks = Quirks {
    added_scopes: &["offline_access"],
    redirect_host: LoopbackHost::Localhost,
    sends_resource: false,
    refresh_sends_scopes: true,
    grant_ending_errors: &[("interaction_required", ""), ("consent_required", "")],
    refresh_token_idle_life: Some(days(90)),
    ..Quirks::NONE
};

const NOTION: Quirks = Quirks {
    token_body: TokenBody::Json,
    token_headers: &[("notion-version", "2025-09-03")],
    authorization_params: &[("owner", "user")],
    revocation: Revocation::Rfc7009 {
        relative_url: Some("revoke"),
    },
    confidential_auth: Some(AuthMethod::ClientSecretBasic),
    ..Quirks::NONE
};

const REDDIT: Quirks = Quirks {
    authorization_params: &[("duration", "permanent")],
    revocation: Revocation::Rfc7009 {
        relative_url: Some("revoke_token"),
    },
    confidential_auth: Some(AuthMethod::ClientSecretBasic),
    ..Quirks::NONE
};

const SALESFORCE: Quirks = Quirks {
    default_expires_in: Some(Duration::from_secs(7_200)),
    revocation: Revocation::Rfc7009 {
        relative_url: Some("revoke"),
    },
    ..Quirks::NONE
};

const SLACK: Quirks = Quirks {
    scope_separator: ",",
    revocation: Revocation::OwnCall {
        relative_url: "auth.revoke",
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
    refresh_token_idle_life: Some(days(180)),
    added_scopes: &["offline.access"],
    revocation: Revocation::Rfc7009 {
        relative_url: Some("revoke"),
    },
    confidential_auth: Some(AuthMethod::ClientSecretBasic),
    ..Quirks::NONE
};

const ZOOM: Quirks = Quirks {
    refresh_token_idle_life: Some(days(90)),
    revocation: Revocation::Rfc7009 {
        relative_url: Some("revoke"),
    },
    confidential_auth: Some(AuthMethod::ClientSecretBasic),
    ..Quirks::NONE
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_sorted_and_matched_exactly() {
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
    fn header_names_are_lower_case() {
        for (host, quirks) in HOSTS {
            for (name, _) in quirks.token_headers {
                assert_eq!(*name, name.to_ascii_lowercase(), "{host}");
            }
        }
    }

    #[test]
    fn tokens_are_revoked_on_the_host_that_issued_them() {
        for (host, quirks) in HOSTS {
            let token = Url::parse(&format!("https://{host}/oauth/token")).unwrap();
            let (Revocation::Rfc7009 {
                relative_url: Some(address),
            }
            | Revocation::OwnCall {
                relative_url: address,
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
