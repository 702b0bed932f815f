//! Tests of the settings as a whole.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use super::{
    table::{READ_ELSEWHERE, Standing, render_markdown, settings},
    *,
};

fn load<const N: usize>(settings: [(&str, &str); N]) -> Result<Config, ConfigError> {
    Config::load(&settings, Path::new("/nonexistent"))
}

#[test]
fn defaults_are_the_legacy_ones() {
    let config = load([]).unwrap();
    assert_eq!((config.server.host.as_str(), config.server.port), ("0.0.0.0", 3000));
    assert_eq!((config.redis.host.as_str(), config.redis.port), ("127.0.0.1", 6379));
    assert_eq!(config.security.api_key_prefix, "cr_");
    assert!(config.security.has_public_encryption_key());
    assert_eq!(config.claude.request_timeout, Duration::from_secs(600));
    assert_eq!((config.sticky.ttl_hours, config.sticky.renewal_threshold_minutes), (1.0, 0));
    assert_eq!(config.limits.request_max_mib, Some(100));
    assert_eq!(config.time.offset_hours, 8);
    assert_eq!(config.logs.level, LogLevel::Info);
    assert_eq!(config.server.version, LEGACY_VERSION);
    assert!(config.proxy.use_ipv4);
    assert!(config.init.is_none());
}

#[test]
fn quirks_are_kept() {
    let config = load([
        ("TIMEZONE_OFFSET", "0"),
        ("REQUEST_MAX_SIZE_MB", "0"),
        ("SYSTEM_PROMPT_THRESHOLD", ""),
        ("STICKY_SESSION_TTL_HOURS", "0.5h"),
        ("STICKY_SESSION_RENEWAL_THRESHOLD_MINUTES", "15"),
        ("REDIS_ENABLE_TLS", "TRUE"),
        ("PROXY_MAX_FREE_SOCKETS", "0"),
        ("PROXY_MAX_SOCKETS", "0"),
        ("CLAUDE_5H_WARNING_MAX_NOTIFICATIONS", "99"),
        ("UNSTABLE_ERROR_TYPES", " A, ,b "),
        ("PORT", "3001abc"),
    ])
    .unwrap();
    assert_eq!(config.time.offset_hours, 8);
    assert_eq!(config.limits.request_max_mib, Some(0));
    assert!(config.clients.system_prompt_threshold.abs() < f64::EPSILON);
    assert_eq!((config.sticky.ttl_hours, config.sticky.renewal_threshold_minutes), (0.5, 15));
    assert!(!config.redis.tls);
    assert_eq!(config.proxy.max_free_sockets, Some(0));
    assert_eq!(config.proxy.max_sockets, None);
    assert_eq!(config.claude.five_hour_warning_limit, 10);
    assert_eq!(config.cooldown.unstable_types, ["a", "b"]);
    assert_eq!(config.server.port, 3001);
}

#[test]
fn size_limit_that_is_no_number_is_no_limit() {
    assert_eq!(load([("REQUEST_MAX_SIZE_MB", "many")]).unwrap().limits.request_max_mib, None);
    assert_eq!(load([("REQUEST_MAX_SIZE_MB", "0x10")]).unwrap().limits.request_max_mib, Some(0));
}

#[test]
fn unusable_settings_are_told_in_one_sentence() {
    let told = |settings: [(&str, &str); 1]| load(settings).unwrap_err().to_string();
    assert_eq!(
        told([("PORT", "70000")]),
        "PORT must be a TCP port from 1 to 65535, but is \"70000\"."
    );
    assert_eq!(
        told([("REQUEST_TIMEOUT", "-1")]),
        "REQUEST_TIMEOUT must be a positive number of milliseconds, but is \"-1\"."
    );
    assert!(told([("PORT", "6379")]).starts_with("PORT and REDIS_PORT are both 6379"));
    assert!(told([("SSL_CERT_FILE", "/nonexistent.pem")]).contains("/nonexistent.pem"));
    assert!(told([("CRS_LOG_FORMAT", "xml")]).contains("human or json"));
}

#[test]
fn the_legacy_url_is_a_host_and_a_port() {
    let url = |text| load([("CRS_LEGACY_URL", text)]).map(|config| config.sidecar.legacy_url);
    let told = |text| url(text).unwrap_err().to_string();
    let node = LegacyUrl { host: "node".into(), port: 3001 };
    assert_eq!(url("http://node:3001").unwrap(), Some(node.clone()));
    assert_eq!(url("http://node:3001/").unwrap(), Some(node));
    assert_eq!(url("http://[::1]:9").unwrap().unwrap().text(), "http://[::1]:9");
    assert_eq!(url("").unwrap(), None);
    assert!(told("https://node:3001").contains("must be an http: URL"));
    assert!(told("node:3001").starts_with("CRS_LEGACY_URL must be "));
    assert!(told("http://node:3001/api").contains("without a path"));
    let secret = told("http://user:s3cret@node:3001");
    assert!(secret.contains("without a user name") && !secret.contains("s3cret"), "{secret}");
    assert!(told("http://127.0.0.1:3000").contains("the port that crs itself listens on"));
    assert!(load([("CRS_LEGACY_URL", "http://other:3000")]).is_ok());
}

#[test]
fn an_unknown_level_is_kept_for_a_warning() {
    let config = load([("LOG_LEVEL", "trace")]).unwrap();
    assert_eq!(config.logs.level, LogLevel::Info);
    assert_eq!(config.logs.unknown_level.as_deref(), Some("trace"));
}

#[test]
fn price_mirror_urls_follow_the_legacy_precedence() {
    let prices = load([("PRICE_MIRROR_REPO", "o/r"), ("PRICE_MIRROR_BRANCH", "b")]).unwrap().prices;
    assert_eq!(
        prices.json_url,
        "https://raw.githubusercontent.com/o/r/b/model_prices_and_context_window.json"
    );
    let prices = load([
        ("PRICE_MIRROR_REPO", "o/r"),
        ("PRICE_MIRROR_BASE_URL", "http://m/"),
        ("PRICE_MIRROR_HASH_URL", "http://h"),
    ])
    .unwrap()
    .prices;
    assert_eq!(prices.json_url, "http://m/model_prices_and_context_window.json");
    assert_eq!(prices.hash_url, "http://h");
}

#[test]
fn init_file_and_env_file_are_read_from_the_folder() {
    let dir = std::env::temp_dir().join(format!("crs-config-{}", std::process::id()));
    fs::create_dir_all(dir.join("data")).unwrap();
    fs::write(dir.join(".env"), "CRS_TEST_ONLY=from-file # comment\nPATH=never\n").unwrap();
    fs::write(dir.join("VERSION"), "1.1.999\n").unwrap();
    fs::write(
        dir.join("data/init.json"),
        r#"{"initializedAt":"2025-01-01T00:00:00.000Z","adminUsername":"a","adminPassword":"p","version":"1.0.0"}"#,
    )
    .unwrap();

    let environment = Environment::read(&dir).unwrap();
    assert_eq!(environment.get("CRS_TEST_ONLY").as_deref(), Some("from-file"));
    assert_ne!(environment.get("PATH").as_deref(), Some("never"));

    let config = Config::load(&[], &dir).unwrap();
    assert_eq!(config.server.version, "1.1.999");
    let init = config.init.unwrap();
    assert_eq!((init.admin_username.as_str(), init.admin_password.expose()), ("a", "p"));

    fs::write(dir.join("data/init.json"), r#"{"adminPassword":"s3cret"#).unwrap();
    let error = Config::load(&[], &dir).unwrap_err().to_string();
    assert!(error.contains("init.json") && !error.contains("s3cret"), "{error}");
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn the_table_lists_exactly_what_is_read() {
    let source: [(&str, &str); 0] = [];
    let reader = Reader::new(&source);
    Config::load_with(&reader, Path::new("/nonexistent")).unwrap();
    let asked = reader.asked();
    let listed: BTreeSet<_> = settings()
        .filter(|s| s.standing != Standing::Dead && !READ_ELSEWHERE.contains(&s.name))
        .map(|s| s.name)
        .collect();
    assert_eq!(listed, asked);
    assert_eq!(settings().map(|s| s.name).collect::<BTreeSet<_>>().len(), settings().count());
}

#[test]
fn the_operators_page_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    if std::env::var_os("CRS_WRITE_DOCS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, render_markdown()).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), render_markdown());
}
