//! Settings from flags, file and defaults.

use super::*;

fn defaults() -> Result<Defaults, paths::Error> {
    Ok(Defaults {
        data_dir: "/home/me/data".into(),
        config_dir: "/nonexistent/config".into(),
        key_dir: "/nonexistent/config".into(),
        runtime_dir: Some("/run/me".into()),
    })
}

/// Flags that name a file with this text. Dropping the folder deletes the file.
fn flags_with_file(text: &str) -> (tempfile::TempDir, Flags) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    let flags = Flags {
        config: Some(path),
        ..Flags::default()
    };
    (folder, flags)
}

#[test]
#[cfg(target_os = "linux")]
fn without_flags_and_file_the_defaults_apply() {
    let config = Config::with_defaults(&Flags::default(), defaults()).unwrap();
    assert_eq!(
        config.to_toml(),
        "system = false\n\
         socket = \"/run/me/agent-auth.sock\"\n\
         data_dir = \"/home/me/data\"\n\
         key_store = \"auto\"\n\
         key_file = \"/nonexistent/config/vault.key\"\n\
         platform_dir = \"/etc/agent-authd/providers.d\"\n\
         redirect_listen = \"127.0.0.1:8252\"\n\
         redirect_check_uid = true\n\
         log_format = \"text\"\n\
         log_level = \"info\"\n\
         flow_lifetime = 600\n\
         max_connections = 1024\n\
         max_waiters = 256\n\
         max_events = 10000\n\
         max_providers = 1000\n\
         max_tokens = 100000\n\
         max_flows = 10000\n\
         max_agent_connections = 100000\n\
         max_stored_mib = 256\n\
         refresh_active_within = 86400\n"
    );
    assert_eq!(config.file, None);
}

#[test]
fn the_system_daemon_has_its_own_default_paths() {
    let by_flag = Flags {
        system: true,
        ..Flags::default()
    };
    let (_folder, by_file) = flags_with_file("system = true\n");
    for flags in [by_flag, by_file] {
        let config = Config::with_defaults(&flags, defaults()).unwrap();
        assert!(config.system);
        let system = Defaults::of_the_system();
        assert_eq!(config.socket, paths::system_socket());
        assert_eq!(config.data_dir, system.data_dir);
        assert_eq!(config.key_file, system.key_file());
    }
}

#[test]
fn a_flag_takes_precedence_over_the_file_and_the_file_over_the_default() {
    let (_folder, mut flags) =
        flags_with_file("data_dir = '/file'\nlog_level = 'warn'\nmax_events = 7\n");
    flags.data_dir = Some("/flag".into());
    let config = Config::with_defaults(&flags, defaults()).unwrap();
    assert_eq!(config.data_dir, Path::new("/flag"));
    assert_eq!(config.log_level, LogLevel::Warn);
    assert_eq!(config.max_events, 7);
    assert_eq!(config.file, flags.config);
}

#[test]
fn the_output_of_check_config_is_a_valid_settings_file() {
    let config = Config::with_defaults(&Flags::default(), defaults()).unwrap();
    let (_folder, flags) = flags_with_file(&config.to_toml());
    let again = Config::with_defaults(&flags, defaults()).unwrap();
    assert_eq!(again.to_toml(), config.to_toml());
}

#[test]
fn a_named_file_must_exist() {
    let flags = Flags {
        config: Some("/nonexistent/config.toml".into()),
        ..Flags::default()
    };
    let error = Config::with_defaults(&flags, defaults()).unwrap_err();
    assert!(matches!(error, Error::Missing { .. }), "{error}");
}

#[test]
fn without_a_home_folder_every_path_must_be_given() {
    let mut flags = Flags {
        data_dir: Some("/d".into()),
        key_file: Some("/k".into()),
        ..Flags::default()
    };
    let error = Config::with_defaults(&flags, Err(paths::Error::NoHome)).unwrap_err();
    assert!(error.to_string().contains("--socket"), "{error}");
    flags.socket = Some("/s".into());
    assert!(Config::with_defaults(&flags, Err(paths::Error::NoHome)).is_ok());
}

#[test]
fn a_key_file_in_the_vaults_folder_is_refused() {
    let flags = Flags {
        key_file: Some("/home/me/data/vault.key".into()),
        ..Flags::default()
    };
    let error = Config::with_defaults(&flags, defaults()).unwrap_err();
    assert!(error.to_string().contains("--key-file"), "{error}");
}
