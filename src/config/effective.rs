//! The effective settings as TOML.

use std::path::{Path, PathBuf};

use super::Config;
use crate::paths;
use crate::quota::MIB;

impl Config {
    /// The effective settings as a settings file: what `--check-config` prints.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let path = |path: &Path| quoted(&path.to_string_lossy());
        [
            ("system", self.system.to_string()),
            ("socket", path(&self.socket)),
            ("data_dir", path(&self.data_dir)),
            ("key_store", quoted(&self.key_store.to_string())),
            ("key_file", path(&self.key_file)),
            ("platform_dir", path(self.platform_dir())),
            ("redirect_listen", quoted(&self.redirect_listen.to_string())),
            ("redirect_check_uid", self.redirect_check_uid.to_string()),
            ("log_format", quoted(&self.log_format.to_string())),
            ("log_level", quoted(&self.log_level.to_string())),
            ("flow_lifetime", self.flow_lifetime.as_secs().to_string()),
            ("max_connections", self.max_connections.to_string()),
            ("max_waiters", self.max_waiters.to_string()),
            ("max_events", self.max_events.to_string()),
            ("max_providers", self.limits.providers.to_string()),
            ("max_tokens", self.limits.tokens.to_string()),
            ("max_flows", self.limits.flows.to_string()),
            ("max_agent_connections", self.limits.connections.to_string()),
            ("max_stored_mib", (self.limits.bytes / MIB).to_string()),
            (
                "refresh_active_within",
                self.refresh_active_within.as_secs().to_string(),
            ),
        ]
        .map(|(key, value)| format!("{key} = {value}\n"))
        .concat()
    }

    /// The system's folder of the platform's providers.
    fn platform_dir(&self) -> &Path {
        let system = self.platform_dirs.first();
        system.map_or(Path::new(paths::PLATFORM_DIR), PathBuf::as_path)
    }
}
