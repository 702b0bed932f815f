use std::{collections::HashMap, fs, path::PathBuf};

use super::*;

/// A directory that goes away with its value.
struct Folder(PathBuf);

impl Folder {
    fn with_config(text: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("crs-settings-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(dir.join("config")).unwrap();
        fs::write(dir.join("config/config.js"), text).unwrap();
        Self(dir)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn compared(config: &str, environment: &[(&str, &str)]) -> Vec<Difference> {
    let folder = Folder::with_config(config);
    let pairs = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let source: HashMap<String, String> = pairs.collect();
    match SettingsReport::read(&folder.0, &source).await {
        SettingsReport::Compared(differences) => differences,
        other => panic!("{other:?}"),
    }
}

fn advice<'a>(differences: &'a [Difference], path: &str) -> &'a Carry {
    &differences.iter().find(|one| one.path == path).unwrap_or_else(|| panic!("{path}")).carry
}

#[tokio::test]
async fn edited_values_are_listed_with_their_line() {
    let differences = compared(
        r#"
        console.log("noise from the file");
        module.exports = {
          server: { port: 4000, host: "0.0.0.0", trustProxy: true },
          security: { encryptionKey: "k".repeat(32), apiKeyPrefix: "cr_", azureOpenaiSalt: "s" },
          session: { stickyTtlHours: 0.5, renewalThresholdMinutes: 0 },
          redis: { host: "127.0.0.1", db: -0, commandTimeout: 5000, connectTimeout: 1, lazyConnect: true },
          proxy: { maxSockets: undefined, maxFreeSockets: 7, useIPv4: false },
          system: { timezoneOffset: 0, cleanupInterval: 0 },
          web: { title: "Mine" },
          ldap: { enabled: true },
          concurrency: { leaseSeconds: 120 },
          logging: { level: "a # b", dirname: "/var/log/relay" },
          mine: { list: [1], call: () => 1 },
        }"#,
        &[("PORT", "3000"), ("TRUST_PROXY", "true"), ("LOG_MAX_FILES", "9")],
    )
    .await;
    let line =
        |path: &str, line: &str| assert_eq!(advice(&differences, path), &Carry::Line(line.into()));
    line("server.port", "PORT=4000");
    line("security.encryptionKey", "ENCRYPTION_KEY=<the value in config/config.js>");
    line("security.azureOpenaiSalt", "CRS_AZURE_OPENAI_SALT=<the value in config/config.js>");
    line("session.stickyTtlHours", "STICKY_SESSION_TTL_HOURS=0.5");
    line("proxy.maxFreeSockets", "PROXY_MAX_FREE_SOCKETS=7");
    line("proxy.useIPv4", "PROXY_USE_IPV4=false");
    line("logging.level", "LOG_LEVEL='a # b'");
    line("logging.dirname", "CRS_LOG_DIR=/var/log/relay");
    let cannot = |path| assert!(matches!(advice(&differences, path), Carry::Cannot(_)), "{path}");
    ["system.cleanupInterval", "ldap.enabled", "concurrency.leaseSeconds"]
        .into_iter()
        .for_each(cannot);
    cannot("redis.connectTimeout");
    let idle = |path| assert!(matches!(advice(&differences, path), Carry::NoEffect(_)), "{path}");
    ["web.title", "mine.list", "mine.call"].into_iter().for_each(idle);
    assert_eq!(advice(&differences, "logging.maxFiles"), &Carry::Remove("LOG_MAX_FILES"));
    assert_eq!(differences.len(), 16, "{differences:#?}");

    let shown: String = differences.iter().map(|one| one.to_json().to_string()).collect();
    assert!(!shown.contains("kkkk"), "secrets are not shown");
    let mut findings = Findings::new(3);
    SettingsReport::Compared(differences).report(&mut findings);
    assert_eq!(findings.into_sorted().len(), 13, "what has no effect is no finding");
}

#[tokio::test]
async fn what_follows_the_environment_does_not_differ() {
    let config = "const e = process.env; module.exports = {
        server: { port: parseInt(e.PORT) || 3000 },
        proxy: { keepAlive: e.PROXY_KEEP_ALIVE === 'true', maxSockets: undefined },
        upstreamError: { overloadTtlSeconds: 600.0 },
        logging: { dirname: require('path').join(__dirname, '..', 'logs') },
    }";
    assert_eq!(compared(config, &[]).await, []);
}

#[tokio::test]
async fn a_file_that_cannot_be_evaluated_is_reported() {
    let folder = Folder::with_config("module.exports = require('not-installed-here')");
    let source: HashMap<String, String> = HashMap::new();
    let report = SettingsReport::read(&folder.0, &source).await;
    assert!(
        matches!(&report, SettingsReport::Failed(reason) if reason.contains("not-installed-here")),
        "{report:?}"
    );
    let mut findings = Findings::new(1);
    report.report(&mut findings);
    assert_eq!(findings.into_sorted()[0].check, Check::SettingsFailed);

    fs::remove_dir_all(folder.0.join("config")).unwrap();
    assert_eq!(SettingsReport::read(&folder.0, &source).await, SettingsReport::Absent);
}
