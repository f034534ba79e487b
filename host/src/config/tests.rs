//! What is refused, and what goes over what.

use std::io::Write as _;

use super::*;

fn load(file: &str) -> anyhow::Result<Config> {
    let mut written = tempfile::NamedTempFile::new().unwrap();
    written.write_all(file.as_bytes()).unwrap();
    Config::load(Some(written.path()), None, None)
}

#[test]
fn the_defaults_are_good() {
    let config = Config::load(None, None, None).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.database_url(), "sqlite://./data/vedette.db");
    assert_eq!(config.auth.registration, RegistrationSetting::Invite);
    assert!(config.egress.allow.is_empty());
}

#[test]
fn a_folder_that_is_not_text_is_refused() {
    use std::os::unix::ffi::OsStrExt as _;
    let odd = Path::new(std::ffi::OsStr::from_bytes(b"/tmp/\xff"));
    let error = Config::load(None, None, Some(odd)).unwrap_err();
    assert!(error.to_string().contains("not UTF-8"), "{error:#}");
}

#[test]
fn the_command_line_goes_over_the_file() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"[server]\nlisten = \"127.0.0.1:1\"\n[egress]\nallow = [\"10.0.0.0/8\"]")
        .unwrap();
    let config = Config::load(Some(file.path()), Some("127.0.0.1:2"), None).unwrap();
    assert_eq!(config.server.listen.port(), 2);
    assert_eq!(config.egress.allow.len(), 1);
}

#[test]
fn what_is_not_a_setting_is_named() {
    for (file, name) in [
        ("[server]\nlisten = \"nowhere\"", "listen"),
        ("[server]\nport = 1", "port"),
        ("[sever]\nlisten = \"127.0.0.1:1\"", "sever"),
        ("[egress]\nallow = [\"10.0.0.0/40\"]", "10.0.0.0/40"),
        ("[egress]\nallow = \"10.0.0.0/8\"", "10.0.0.0/8"),
        ("[egress]\nnat64 = [\"10.0.0.0/8\"]", "10.0.0.0/8"),
        ("[auth]\nregistration = \"everyone\"", "everyone"),
        ("[server]\ntrusted_proxies = [\"10.0.0.1\"]", "10.0.0.1"),
        ("[server]\ncors_origins = [\"*\"]", "`*`"),
        ("[server]\ncors_origins = [\"null\"]", "`null`"),
        (
            "[server]\ncors_origins = [\"https://a.example/\"]",
            "https://a.example/",
        ),
        (
            "[server]\ncors_origins = [\"https://A.example\"]",
            "https://A.example",
        ),
        (
            "[server]\ncors_origins = [\"ftp://a.example\"]",
            "ftp://a.example",
        ),
        ("[server]\nrequests_per_minute = -1", "requests_per_minute"),
        ("[runner]\nisolation = \"none\"", "none"),
        #[cfg(not(target_os = "linux"))]
        ("[runner]\nisolation = \"process\"", "process"),
        ("[database]\nurl = \"mysql://a@b/c\"", "database.url"),
        (
            "[database]\nurl = \"postgres://a@b:99999/c\"",
            "database.url",
        ),
        ("[redis]\nurl = \"http://localhost\"", "redis.url"),
        ("[redis]\nurl = \"redis://:hidden@\"", "redis.url"),
        ("[runner]\nconcurrency = 0", "runner.concurrency"),
        (
            "[scheduler]\nleast_interval_seconds = 0",
            "least_interval_seconds",
        ),
    ] {
        let error = format!("{:#}", load(file).expect_err(file));
        assert!(error.contains(name), "{file}: {error}");
        assert!(!error.contains("hidden"), "{error}");
    }
    assert!(Config::load(Some(Path::new("/nowhere/at/all.toml")), None, None).is_err());
}

#[test]
fn a_list_may_be_json() {
    let config =
        load("[egress]\nallow = '[\"10.0.0.0/8\", \"fd00::/8\"]'\nnat64 = '[\"64:ff9b::/96\"]'")
            .unwrap();
    assert_eq!(config.egress.allow.len(), 2);
    assert_eq!(config.egress.nat64.len(), 1);
}

#[test]
fn the_example_for_production_is_good() {
    let text = include_str!("../../../config/production.toml");
    assert!(
        load(text)
            .unwrap()
            .database_url()
            .starts_with("postgres://")
    );
}
