//! A database that the legacy service wrote is clean; every class of fault is found.

use compat::testing::TestRedis;
use serde_json::Value;

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const KEY: &str = "c0adb278-9eb1-4933-b2d0-d890dfed2120";
const CLAUDE: &str = "41e5b9f8-2410-4391-b1b6-ade1f3af2df3";
const CONSOLE: &str = "1087ae55-fa54-4d8b-b0f5-eba29f4f0a91";

/// A server with the database of a running legacy service.
async fn seeded() -> (TestRedis, RedisStore) {
    let redis = TestRedis::spawn();
    let store = redis.store();
    let keys: Vec<Value> =
        serde_json::from_str(include_str!("../../../compat/vectors/database.json")).unwrap();
    for key in &keys {
        let name = key["key"].as_str().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let items = || key["value"].as_array().unwrap().iter().map(text).collect::<Vec<_>>();
        let pairs = |items: Vec<String>| {
            items.chunks(2).flat_map(|pair| [pair[1].clone(), pair[0].clone()]).collect::<Vec<_>>()
        };
        let (command, args) = match key["type"].as_str().unwrap() {
            "string" => ("SET", vec![text(&key["value"])]),
            "hash" => {
                let fields = key["value"].as_object().unwrap().iter();
                ("HSET", fields.flat_map(|(name, value)| [name.clone(), text(value)]).collect())
            }
            "set" => ("SADD", items()),
            "zset" => ("ZADD", pairs(items())),
            _ => ("RPUSH", items()),
        };
        store.run(Cmd::new(command).arg(name).args(args).into()).await.unwrap();
        let ttl = key["ttl"].as_i64().unwrap();
        if ttl > 0 {
            store.run(Cmd::new("EXPIRE").arg(name).arg(ttl).into()).await.unwrap();
        }
    }
    (redis, store)
}

/// Shared by the tests, since deriving its keys takes long.
static VAULT: std::sync::LazyLock<Vault> = std::sync::LazyLock::new(|| Vault::new(SECRET));

async fn audited(store: &RedisStore) -> DoctorReport {
    let options = DoctorOptions::default();
    let quiet = Progress::new(false);
    run(store, &VAULT, SettingsReport::Absent, options, quiet).await.unwrap()
}

/// Seeds a clean database, spoils it with these commands, and lists what the audit says.
async fn spoiled(commands: &[&str]) -> Vec<(Check, String, u64)> {
    let (_redis, store) = seeded().await;
    for command in commands {
        let words: Vec<&str> = command.split(' ').collect();
        assert!(!matches!(store.words(&words).await.unwrap(), Reply::Error(_)), "{command}");
    }
    let found = audited(&store).await.findings;
    found.into_iter().map(|found| (found.check, found.subject, found.count)).collect()
}

fn found(check: Check, subject: &str) -> (Check, String, u64) {
    (check, subject.to_owned(), 1)
}

#[tokio::test]
async fn a_database_of_the_legacy_service_is_clean() {
    let (_redis, store) = seeded().await;
    let before = store.words(&["INFO", "commandstats"]).await.unwrap().text().unwrap().unwrap();
    let report = audited(&store).await;
    assert_eq!(report.findings, []);
    assert!(report.is_clean());
    assert_eq!((report.keys, report.unknown_keys, report.own_keys), (74, 0, 0));
    assert_eq!(report.secrets["claude-official"].readable, 5);
    assert_eq!(report.secrets["bedrock"].readable, 2);
    assert!(report.secrets.values().all(|count| count.unreadable + count.unencrypted == 0));

    // Nothing but reads was sent.
    let after = store.words(&["INFO", "commandstats"]).await.unwrap().text().unwrap().unwrap();
    let names = |text: &str| {
        let names =
            text.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split(':').next());
        names.map(str::to_owned).collect::<std::collections::BTreeSet<_>>()
    };
    let new: Vec<_> = names(&after).difference(&names(&before)).cloned().collect();
    let reads = [
        "dbsize", "get", "hgetall", "hmget", "hscan", "info", "lrange", "scan", "sscan", "ttl",
        "type", "zscan",
    ];
    assert!(new.iter().all(|name| reads.contains(&name.as_str())), "{new:?}");
}

#[tokio::test]
async fn keys_of_wrong_kind_life_or_origin() {
    let found_all = spoiled(&[
        "SET cost_rank:all x",
        "DEL cost_rank:today",
        "HSET cost_rank:today a b",
        "EXPIRE apikey:hash_map 100",
        "SET usage:daily:nobody:2026-11-22 1",
        "HSET usage:monthly:k:2026-11 tokens 5",
        "SET token_refresh_lock:claude:a x EX 1000",
        "SET rediscache:user:1 x",
        "SET rediscache:user:2 x",
        "SET crs:rs:of-another-version x",
        "SET crs:rs:rollout {} EX 100",
    ])
    .await;
    let expected = [
        (Check::WrongType, "cost_rank:{range}: hash, not zset".to_owned(), 1),
        (Check::WrongType, "cost_rank:{range}: string, not zset".to_owned(), 1),
        found(Check::WrongType, "usage:daily:{key_id}:{date}: string, not hash"),
        found(Check::WillVanish, "apikey:hash_map: should have no expiry"),
        found(Check::WillVanish, "crs:rs:rollout: should have no expiry"),
        found(
            Check::NeverExpires,
            "usage:monthly:{key_id}:{month}: should have an expiry of at most 31536000 s",
        ),
        found(
            Check::LivesTooLong,
            "token_refresh_lock:{platform}:{account_id}: should have an expiry of at most 60 s",
        ),
        (Check::UnknownKey, "rediscache:…".to_owned(), 2),
    ];
    assert_eq!(found_all, expected);
}

#[tokio::test]
async fn fields_and_values() {
    let found_all = spoiled(&[
        &format!("HSET apikey:{KEY} isActive yes tags a,b concurrencyLimit many"),
        &format!("HSET claude:account:{CLAUDE} id other proxy {{}} expiresAt soon"),
        &format!("HDEL claude_console_account:{CONSOLE} id"),
        "SET user:dd0d9b325f97a6a30145f696180a5ba5 broken",
        "SET claude_relay_config [1]",
        "SET usage:cost:total:k 1e",
        "HSET usage:global:total requests 1.5",
        "HSET session:abcdefghijkl username x",
        "EXPIRE session:abcdefghijkl 100",
        "SADD api_keys k",
    ])
    .await;
    let kinds: Vec<_> =
        found_all.iter().map(|(check, subject, _)| (*check, subject.as_str())).collect();
    for expected in [
        (Check::OtherId, "claude:account:{account_id}"),
        (Check::OtherId, "claude_console_account:{account_id}"),
        (Check::Unreadable, "claude_relay_config: not a JSON object"),
        (Check::Unreadable, "session:{token}: not a login, and never counts as one"),
        (Check::Unreadable, "usage:cost:total:{key_id}: not a number"),
        (Check::Unreadable, "usage:global:total: a counter is no whole number"),
        (Check::Unreadable, "user:{user_id}: not a JSON object"),
        (Check::OddField, "apikey:{key_id} concurrencyLimit: expected a whole number"),
        (Check::OddField, "apikey:{key_id} isActive: expected true or false"),
        (Check::OddField, "apikey:{key_id} tags: expected a JSON array of texts"),
        (Check::OddField, "claude:account:{account_id} expiresAt: expected a whole number"),
        (Check::OddField, "claude:account:{account_id} proxy: expected a complete proxy as JSON"),
        (Check::Obsolete, "api_keys"),
    ] {
        assert!(kinds.contains(&expected), "{expected:?} not in {kinds:?}");
    }
}

#[tokio::test]
async fn account_and_user_indexes() {
    let found_all = spoiled(&[
        "SET claude:account:index:empty 1 EX 3600",
        "SET user:index:empty 1 EX 3600",
        &format!("SREM claude:account:index {CLAUDE}"),
        "SADD ccr_account:index ghost",
        "DEL droid:account:index",
        "SREM shared_openai_accounts 20096a85-b312-4ea4-93bb-83017f2e901d",
        "SADD account_groups ghost",
    ])
    .await;
    let expected = [
        found(Check::HiddenByMarker, "claude:account:index:empty"),
        found(Check::HiddenByMarker, "user:index:empty"),
        found(Check::NotIndexed, "claude:account:index"),
        found(Check::NotIndexed, "shared_openai_accounts"),
        found(Check::GhostMember, "account_groups"),
        found(Check::GhostMember, "ccr_account:index"),
    ];
    assert_eq!(found_all, expected, "a missing index is rebuilt by the service and no fault");
}

#[tokio::test]
async fn key_lookup_and_indexes() {
    let hash = "ff5dbbea2464a24c6d366eddec659fc172910731b0851820695e1f424771c533";
    let found_all = spoiled(&[
        &format!("HDEL apikey:hash_map {hash}"),
        "HSET apikey:hash_map 00ff gone",
        "HSET apikey:906da4d3-7f43-448f-9f80-f2226c22510e isDeleted true isActive false",
        &format!("SREM apikey:idx:all {KEY}"),
        &format!("ZREM apikey:idx:createdAt {KEY}"),
        "SADD apikey:set:active gone",
        "SADD apikey:tag:a gone",
        "SADD apikey:tags:all lonely",
        "SREM apikey:tags:all b",
    ])
    .await;
    let expected = [
        found(Check::NotIndexed, "apikey:idx:all"),
        found(Check::NotIndexed, "apikey:idx:createdAt"),
        found(Check::NotIndexed, "apikey:set:deleted"),
        found(Check::NotIndexed, "apikey:tags:all"),
        found(Check::NoLookup, "apikey:hash_map"),
        found(Check::GhostMember, "apikey:set:active").with_count(2),
        found(Check::GhostMember, "apikey:tag:a"),
        found(Check::GhostLookup, "apikey:hash_map"),
        found(Check::DeletedLookup, "apikey:hash_map"),
    ];
    assert_eq!(found_all, expected);
    let unmarked = spoiled(&["DEL apikey:index:version", "SREM apikey:idx:all x"]).await;
    assert_eq!(unmarked, [found(Check::IndexesNotReady, "apikey:index:version")]);
}

trait WithCount {
    fn with_count(self, count: u64) -> Self;
}

impl WithCount for (Check, String, u64) {
    fn with_count(mut self, count: u64) -> Self {
        self.2 = count;
        self
    }
}

#[tokio::test]
async fn usage_indexes_and_left_overs() {
    let found_all = spoiled(&[
        "HSET usage:daily:k1:2026-11-22 tokens 1",
        "HSET usage:daily:k2:2026-11-22 tokens 1",
        "EXPIRE usage:daily:k1:2026-11-22 1000",
        "EXPIRE usage:daily:k2:2026-11-22 1000",
        "SADD usage:daily:index:2026-11-22 k1",
        "EXPIRE usage:daily:index:2026-11-22 1000",
        "HSET usage:k1:model:hourly:m:x:2026-11-22:07 requests 1",
        "EXPIRE usage:k1:model:hourly:m:x:2026-11-22:07 1000",
        "SET usage:keymodel:hourly:index:2026-11-22:07:empty 1 EX 3600",
        "HSET usage:k1 totalTokens 1",
        "HSET account_usage:a1 totalTokens 1",
    ])
    .await;
    let expected = [
        found(Check::HiddenByMarker, "usage:keymodel:hourly:index:2026-11-22:07:empty"),
        found(Check::NotIndexed, "usage:daily:index:{date}"),
        found(Check::LeftOver, "account_usage:{account_id}"),
        found(Check::LeftOver, "usage:{key_id}"),
    ];
    assert_eq!(found_all, expected);
}

#[tokio::test]
async fn references() {
    let (_redis, store) = seeded().await;
    let groups = store.words(&["SMEMBERS", "account_groups"]).await.unwrap().texts().unwrap();
    let group = &groups[0];
    let found_all = spoiled(&[
        &format!(
            "HSET apikey:{KEY} openaiAccountId responses:gone droidAccountId group:gone userId x"
        ),
        &format!("SADD account_group_members:{group} {CLAUDE} gone"),
        &format!("SADD account_groups_reverse:claude:{CLAUDE} {group}"),
        &format!("SADD account_groups_reverse:claude:gone {group}"),
        &format!("SADD account_groups_reverse:claude:{CONSOLE} {group}"),
        "DEL username:bob",
        "SET username:eve nobody",
    ])
    .await;
    let expected = [
        found(Check::NotIndexed, "username:{username}"),
        found(Check::Dangling, "account_group_members:{group_id}"),
        found(Check::Dangling, "apikey:{key_id} droidAccountId"),
        found(Check::Dangling, "apikey:{key_id} openaiAccountId"),
        found(Check::Dangling, "apikey:{key_id} userId"),
        found(Check::Dangling, "username:{username}"),
        found(Check::HalfMember, "account_group_members:{group_id}"),
    ];
    assert_eq!(found_all, expected);
}

#[tokio::test]
async fn secrets_that_do_not_open() {
    let (_redis, store) = seeded().await;
    let foreign = Vault::new("another").encrypt(compat::crypto::Service::ClaudeConsole, "sk-x");
    for words in [
        ["HSET", &format!("claude_console_account:{CONSOLE}"), "apiKey", &foreign],
        ["HSET", &format!("claude:account:{CLAUDE}"), "accessToken", "sk-ant-oat01-by-hand"],
    ] {
        store.words(&words).await.unwrap();
    }
    let report = audited(&store).await;
    let checks: Vec<_> =
        report.findings.iter().map(|found| (found.check, found.subject.as_str())).collect();
    assert_eq!(
        checks,
        [
            (Check::Undecryptable, "claude-console apiKey"),
            (Check::Unencrypted, "claude-official accessToken")
        ]
    );
    let counts = report.secrets["claude-official"];
    assert_eq!((counts.readable, counts.unencrypted, counts.unreadable), (4, 1, 0));
    let text = render::render(&report, "here") + &report.to_json().to_string();
    assert!(!text.contains("sk-ant") && !text.contains(&foreign));

    let vault = Vault::new("not the key");
    let quiet = Progress::new(false);
    let options = DoctorOptions::default();
    let report = run(&store, &vault, SettingsReport::Absent, options, quiet).await.unwrap();
    assert_eq!(report.findings[0].check, Check::EncryptionKey);
    assert!(report.secrets.values().all(|count| count.readable == 0));
}

#[tokio::test]
async fn the_report_cuts_tokens_and_counts_beyond_its_examples() {
    let (_redis, store) = seeded().await;
    let token = "f".repeat(64);
    store.words(&["SET", &format!("session:{token}"), "x"]).await.unwrap();
    for n in 0..20 {
        store.words(&["SET", &format!("strange:{n}"), "x"]).await.unwrap();
    }
    let report = audited(&store).await;
    let json = report.to_json();
    assert_eq!(json["clean"], false);
    assert_eq!((&json["errors"], &json["warnings"]), (&1.into(), &1.into()));
    assert_eq!(json["findings"][1]["count"], 20);
    assert_eq!(json["findings"][1]["examples"].as_array().unwrap().len(), 5);
    let text = render::render(&report, "127.0.0.1:6379/0");
    assert!(!text.contains(&token) && !json.to_string().contains(&token));
    assert!(text.contains("session:ffffff…"), "{text}");
    assert!(text.contains("… and 15 more") && text.contains("1 errors, 1 warnings."), "{text}");
}

#[tokio::test]
async fn no_server_is_no_report() {
    let mut redis = TestRedis::spawn();
    let store = redis.store();
    redis.stop();
    let (vault, quiet) = (Vault::new(SECRET), Progress::new(false));
    let options = DoctorOptions::default();
    assert!(run(&store, &vault, SettingsReport::Absent, options, quiet).await.is_err());
}

/// `CRS_WRITE_DOCS=1 cargo test --lib cli::doctor` rewrites the page.
#[test]
fn the_manual_lists_every_check() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/doctor.md");
    if std::env::var_os("CRS_WRITE_DOCS").is_some() {
        std::fs::write(&path, render::manual()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), render::manual());
    assert!(Check::ALL.is_sorted(), "in the order of the report");
}

#[tokio::test]
async fn the_command_tells_by_its_exit_code() {
    let (mut redis, store) = seeded().await;
    let dir = std::env::temp_dir().join(format!("crs-doctor-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&dir).unwrap();
    let settings = format!("REDIS_PORT={}\nENCRYPTION_KEY={SECRET}\n", redis.addr().port());
    std::fs::write(dir.join(".env"), settings).unwrap();
    let place = dir.clone();
    let code = async || {
        let dir = place.clone();
        let run = tokio::task::spawn_blocking(move || main(&dir, &Output::new(true)));
        run.await.unwrap()
    };
    // The sample has a ChatGPT account.
    assert_eq!(code().await, 1);
    let data = dir.join("data");
    let instructions = crate::config::codex_instructions(&data);
    std::fs::create_dir_all(instructions.parent().unwrap()).unwrap();
    std::fs::write(instructions, "Be brief.").unwrap();
    assert_eq!(code().await, 0);
    store.words(&["SET", "cost_rank:all", "x"]).await.unwrap();
    assert_eq!(code().await, 1);
    redis.stop();
    assert_eq!(code().await, 2);
    std::fs::write(dir.join(".env"), "REDIS_PORT=99999").unwrap();
    assert_eq!(code().await, 2);
    std::fs::remove_dir_all(dir).unwrap();
}
