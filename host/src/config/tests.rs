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
        ("[server]\npublic_url = \"vedette\"", "server.public_url"),
        (
            "[server]\npublic_url = \"https://a.b/?c\"",
            "server.public_url",
        ),
        ("[mail]\nurl = \"https://a.b\"", "mail.url"),
        ("[mail]\nurl = \"smtp://a.b\"", "mail.url"),
        ("[mail]\nurl = \"smtps://a.b\"\nfrom = \"x\"", "mail.from"),
        (
            "[mail]\nurl = \"smtps://a.b\"\nfrom = \"a@b.c\"",
            "server.public_url",
        ),
        ("[redis]\nurl = \"http://localhost\"", "redis.url"),
        ("[redis]\nurl = \"redis://:hidden@\"", "redis.url"),
        ("[runner]\nconcurrency = 0", "runner.concurrency"),
        (
            "[scheduler]\nleast_interval_seconds = 0",
            "least_interval_seconds",
        ),
        ("[quotas]\nscripts = -1", "scripts"),
        ("[quotas]\nchannels = 3", "channels"),
        ("[metrics]\ntoken = \"short\"", "metrics.token"),
    ] {
        let error = format!("{:#}", load(file).expect_err(file));
        assert!(error.contains(name), "{file}: {error}");
        assert!(!error.contains("hidden"), "{error}");
    }
    assert!(Config::load(Some(Path::new("/nowhere/at/all.toml")), None, None).is_err());
}

#[test]
fn the_mail_server_is_not_shown() {
    let mail = "[server]\npublic_url = \"https://v.example.com\"\n\
        [mail]\nurl = \"smtps://user:hidden@a.b\"\nfrom = \"Vedette <v@example.com>\"";
    let config = load(mail).unwrap();
    assert!(config.mail.mailer().unwrap().is_some());
    let shown = format!("{config:?}");
    assert!(
        !shown.contains("hidden") && !shown.contains("a.b"),
        "{shown}"
    );
    let wrong = mail.replace("@a.b", "@a.b/?tls=none");
    let error = format!("{:#}", load(&wrong).unwrap_err());
    assert!(
        error.contains("mail.url") && !error.contains("hidden"),
        "{error}"
    );
}

/// A provider, and where browsers come back to.
const PROVIDER: &str = "[server]\npublic_url = \"https://v.example.com\"\n[auth.oidc.corp]\n\
    title = \"Corp\"\nissuer = \"https://login.example.com\"\nclient_id = \"vedette\"\n\
    client_secret = \"hidden\"\n";

#[test]
fn identity_providers_are_named_by_their_tables() {
    let config = load(PROVIDER).unwrap();
    let providers = config.auth.providers();
    assert_eq!((providers.len(), providers[0].name.as_str()), (1, "corp"));
    assert!(!providers[0].trusts_email);
    assert!(!format!("{config:?}").contains("hidden"));
    let second = PROVIDER
        .split_once("[auth")
        .unwrap()
        .1
        .replace("corp", "again");
    for (file, name) in [
        (
            PROVIDER.replace("https://v.example.com", ""),
            "server.public_url",
        ),
        (
            PROVIDER.replace("https://login", "http://login"),
            "auth.oidc.corp: `issuer`",
        ),
        (PROVIDER.replace("oidc.corp", "oidc.Corp_1"), "a name has"),
        (PROVIDER.replace("\"vedette\"", "\"\""), "client_id"),
        (format!("{PROVIDER}secret = \"x\""), "secret"),
        (
            format!("{PROVIDER}[auth{second}"),
            "another one has this `issuer`",
        ),
        (
            format!("{PROVIDER}trust_email = true\n[auth]\nregistration = \"open\""),
            "trust_email",
        ),
    ] {
        let error = format!("{:#}", load(&file).expect_err(&file));
        assert!(error.contains(name), "{file}: {error}");
        assert!(!error.contains("hidden"), "{error}");
    }
}

#[test]
fn references_are_judged_as_the_guard_would() {
    assert!(load("").unwrap().self_health.reference_urls.is_empty());
    let good = "[server]\npublic_url = \"https://v.example.com\"\n\
        [mail]\nurl = \"smtps://u:hidden@a.b\"\nfrom = \"v@example.com\"\n[egress]\nallow = []\n\
        [self_health]\nreference_urls = [\"https://a.org/\", \"https://b.org\"]\nnotify = \"ops@example.com\"\n";
    let config = load(good).unwrap();
    assert_eq!(config.self_health.reference_urls.len(), 2);
    assert_eq!(config.self_health.notify(), Some("ops@example.com"));
    let allowed = good
        .replace("https://a.org/", "http://10.0.0.1/")
        .replace("allow = []", "allow = [\"10.0.0.0/8\"]");
    assert!(load(&allowed).is_ok(), "the operator allows it");
    let six = ["\"https://a.org/\""; 6].join(", ");
    for (from, to, name) in [
        ("https://a.org/", "http://10.0.0.1/", "10.0.0.1"),
        ("https://a.org/", "ftp://a.org/", "only http and https"),
        ("https://a.org/", "https://u:hidden@a.org/", "user name"),
        ("https://a.org/", "a.org", "`a.org` is not an address"),
        ("\"https://a.org/\"", six.as_str(), "5 addresses"),
        ("ops@example.com", "Ops <ops@example.com>", "notify"),
        ("smtps://u:hidden@a.b", "", "mail.url"),
        (
            "[\"https://a.org/\", \"https://b.org\"]",
            "[]",
            "needs self_health.reference_urls",
        ),
    ] {
        let file = good.replace(from, to);
        let error = format!("{:#}", load(&file).expect_err(&file));
        assert!(error.contains(name), "{file}: {error}");
        assert!(!error.contains("hidden"), "{error}");
    }
}

#[test]
fn quotas_are_what_the_settings_say() {
    let config = load("[quotas]\nscripts = 7\n[scheduler]\nleast_interval_seconds = 5").unwrap();
    let mut expected = vedette_core::Quotas::default();
    assert_eq!(load("").unwrap().quotas(), expected);
    expected.set(Quota::Scripts, 7);
    expected.set(Quota::LeastIntervalSeconds, 5);
    assert_eq!(config.quotas(), expected);
    let token = "[metrics]\ntoken = \"0123456789abcdef\"";
    let shown = format!("{:?}", load(token).unwrap());
    assert!(!shown.contains("0123456789abcdef"), "{shown}");
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
