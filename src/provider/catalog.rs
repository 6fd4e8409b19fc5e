//! The endpoints of well-known providers, as of 2026-11-20.
//!
//! Users register the client themselves. `quirks.rs` lists how these providers
//! deviate from the RFCs, by host.

/// A well-known provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// The identifier of the preset.
    pub id: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// The authorization endpoint.
    pub auth_url: &'static str,
    /// The token endpoint.
    pub token_url: &'static str,
}

/// Every preset, sorted by identifier.
pub const PRESETS: [Preset; 18] = [
    preset(
        "asana",
        "Asana",
        "https://app.asana.com/-/oauth_authorize",
        "https://app.asana.com/-/oauth_token",
    ),
    preset(
        "atlassian",
        "Atlassian",
        "https://auth.atlassian.com/authorize",
        "https://auth.atlassian.com/oauth/token",
    ),
    preset(
        "discord",
        "Discord",
        "https://discord.com/oauth2/authorize",
        "https://discord.com/api/oauth2/token",
    ),
    preset(
        "dropbox",
        "Dropbox",
        "https://www.dropbox.com/oauth2/authorize",
        "https://api.dropboxapi.com/oauth2/token",
    ),
    preset(
        "figma",
        "Figma",
        "https://www.figma.com/oauth",
        "https://api.figma.com/v1/oauth/token",
    ),
    preset(
        "github",
        "GitHub",
        "https://github.com/login/oauth/authorize",
        "https://github.com/login/oauth/access_token",
    ),
    preset(
        "gitlab",
        "GitLab",
        "https://gitlab.com/oauth/authorize",
        "https://gitlab.com/oauth/token",
    ),
    preset(
        "google",
        "Google",
        "https://accounts.google.com/o/oauth2/v2/auth",
        "https://oauth2.googleapis.com/token",
    ),
    preset(
        "hubspot",
        "HubSpot",
        "https://app.hubspot.com/oauth/authorize",
        "https://api.hubapi.com/oauth/v1/token",
    ),
    preset(
        "linear",
        "Linear",
        "https://linear.app/oauth/authorize",
        "https://api.linear.app/oauth/token",
    ),
    preset(
        "microsoft",
        "Microsoft",
        "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
        "https://login.microsoftonline.com/common/oauth2/v2.0/token",
    ),
    preset(
        "notion",
        "Notion",
        "https://api.notion.com/v1/oauth/authorize",
        "https://api.notion.com/v1/oauth/token",
    ),
    preset(
        "reddit",
        "Reddit",
        "https://www.reddit.com/api/v1/authorize",
        "https://www.reddit.com/api/v1/access_token",
    ),
    preset(
        "salesforce",
        "Salesforce",
        "https://login.salesforce.com/services/oauth2/authorize",
        "https://login.salesforce.com/services/oauth2/token",
    ),
    preset(
        "slack",
        "Slack",
        "https://slack.com/oauth/v2/authorize",
        "https://slack.com/api/oauth.v2.access",
    ),
    preset(
        "spotify",
        "Spotify",
        "https://accounts.spotify.com/authorize",
        "https://accounts.spotify.com/api/token",
    ),
    preset(
        "x",
        "X",
        "https://x.com/i/oauth2/authorize",
        "https://api.x.com/2/oauth2/token",
    ),
    preset(
        "zoom",
        "Zoom",
        "https://zoom.us/oauth/authorize",
        "https://zoom.us/oauth/token",
    ),
];

const fn preset(
    id: &'static str,
    name: &'static str,
    auth_url: &'static str,
    token_url: &'static str,
) -> Preset {
    Preset {
        id,
        name,
        auth_url,
        token_url,
    }
}

/// The preset with this identifier.
#[must_use]
pub fn find(id: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.id == id)
}

/// The preset with the identifier most similar to `id`; `None` if none is similar.
#[must_use]
pub fn similar(id: &str) -> Option<&'static Preset> {
    let similarity = |preset: &&Preset| strsim::jaro_winkler(id, preset.id);
    let best = PRESETS
        .iter()
        .max_by(|one, other| similarity(one).total_cmp(&similarity(other)));
    best.filter(|preset| similarity(preset) > 0.8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_identifier_suggests_a_preset() {
        assert_eq!(similar("githb").map(|preset| preset.id), Some("github"));
        assert!(similar("intranet").is_none());
    }
    use crate::identity::ProviderId;
    use crate::provider::parse_endpoint;

    #[test]
    fn every_preset_is_valid() {
        assert!(PRESETS.is_sorted_by(|one, next| one.id < next.id));
        for preset in PRESETS {
            assert!(ProviderId::parse(preset.id).is_some(), "{}", preset.id);
            for url in [preset.auth_url, preset.token_url] {
                assert!(
                    parse_endpoint(url).is_ok_and(|parsed| parsed.scheme() == "https"),
                    "{url}"
                );
            }
        }
    }
}
