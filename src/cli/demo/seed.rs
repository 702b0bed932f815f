//! Accounts and API keys, written as the legacy service would write them.

mod openai;

use compat::{
    clock::iso,
    crypto::{Service, Vault, key_hash},
    store::{Batch, Cmd},
};
use serde_json::json;

/// What to write, and the key that then works.
pub struct Seed {
    /// Commands for an empty database.
    pub batch: Batch,
    /// The API key in plain text.
    pub api_key: String,
    /// Its id.
    pub key_id: String,
    /// The account's id.
    pub account_id: String,
}

/// Writes accounts and keys.
pub struct Planter {
    batch: Batch,
    vault: Vault,
    encryption_key: String,
    now_ms: i64,
    now_iso: String,
}

/// A key that was planted.
#[derive(Clone, Debug)]
pub struct Planted {
    /// Its id.
    pub id: String,
    /// The key in plain text.
    pub secret: String,
}

impl Seed {
    /// An official account and one that logged in with ChatGPT, whose tokens are good for a day, and an
    /// unlimited key. `encryption_key` is the service's; `now_ms` and `now_iso` are the time as the epoch and in ISO form.
    pub fn new(encryption_key: &str, now_ms: i64, now_iso: &str) -> Self {
        let mut planter = Planter::new(encryption_key, now_ms, now_iso);
        let account_id = planter.account("Stand-in account");
        planter.openai_account("Stand-in ChatGPT account");
        let key = planter.key(&new_id(), "Demo key", &[]);
        Self { batch: planter.batch, api_key: key.secret, key_id: key.id, account_id }
    }
}

impl Planter {
    /// With the encryption key of the service, and the time as the epoch and in ISO form.
    pub fn new(encryption_key: &str, now_ms: i64, now_iso: &str) -> Self {
        Self {
            batch: Batch::new(),
            vault: Vault::new(encryption_key),
            encryption_key: encryption_key.to_owned(),
            now_ms,
            now_iso: now_iso.to_owned(),
        }
    }

    /// An official account whose token is good for a day; returns its id.
    pub fn account(&mut self, name: &str) -> String {
        let id = new_id();
        account(&mut self.batch, &self.vault, (&id, name), self.now_ms, &self.now_iso);
        id
    }

    /// An account that logged in with ChatGPT, whose token is good for a day.
    pub fn openai_account(&mut self, name: &str) {
        let expires = iso(self.now_ms + 24 * 60 * 60 * 1000);
        let times = (self.now_iso.as_str(), expires.as_str());
        openai::account(&mut self.batch, &self.vault, (&new_id(), name), times);
    }

    /// An unlimited key, but for what `changes` say of its fields.
    pub fn key(&mut self, id: &str, name: &str, changes: &[(&str, &str)]) -> Planted {
        let secret: [u8; 32] = rand::random();
        let secret = format!("cr_{}", hex::encode(secret));
        let lookup_hash = key_hash(&secret, &self.encryption_key);
        key(&mut self.batch, &lookup_hash, (id, name), self.now_ms, &self.now_iso);
        for (field, value) in changes {
            self.batch.push(Cmd::new("HSET").arg(format!("apikey:{id}")).args([*field, *value]));
        }
        Planted { id: id.to_owned(), secret }
    }

    /// The commands.
    pub fn into_batch(self) -> Batch {
        self.batch
    }
}

/// A fresh id.
pub fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Fields and index of contract/redis.md §b, `claude`.
fn account(batch: &mut Batch, vault: &Vault, (id, name): (&str, &str), now_ms: i64, now_iso: &str) {
    let (access, refresh) = ("standin-access-token", "standin-refresh-token");
    let expires = (now_ms + 24 * 60 * 60 * 1000).to_string();
    let oauth = json!({
        "accessToken": access,
        "refreshToken": refresh,
        "expiresAt": now_ms + 24 * 60 * 60 * 1000,
        "scopes": ["user:inference"],
    });
    let seal = |plain: &str| vault.encrypt(Service::Claude, plain);
    let (email, access, refresh) = (seal("demo@localhost"), seal(access), seal(refresh));
    let oauth = seal(&oauth.to_string());
    let fields = [
        ("id", id),
        ("name", name),
        ("description", "Answers from this machine"),
        ("email", &email),
        ("password", ""),
        ("claudeAiOauth", &oauth),
        ("accessToken", &access),
        ("refreshToken", &refresh),
        ("expiresAt", &expires),
        ("scopes", "user:inference"),
        ("proxy", ""),
        ("isActive", "true"),
        ("accountType", "shared"),
        ("platform", "claude"),
        ("priority", "50"),
        ("createdAt", now_iso),
        ("lastUsedAt", ""),
        ("lastRefreshAt", now_iso),
        ("status", "active"),
        ("errorMessage", ""),
        ("schedulable", "true"),
        ("autoStopOnWarning", "false"),
        ("useUnifiedUserAgent", "false"),
        ("useUnifiedClientId", "false"),
        ("unifiedClientId", ""),
        ("subscriptionInfo", ""),
        ("subscriptionExpiresAt", ""),
        ("extInfo", ""),
        ("maxConcurrency", "0"),
        ("interceptWarmup", "false"),
        ("disableTempUnavailable", "false"),
        ("tempUnavailable503TtlSeconds", ""),
        ("tempUnavailable5xxTtlSeconds", ""),
    ];
    batch.push(hash(&format!("claude:account:{id}"), fields));
    batch.push(Cmd::new("SADD").args(["claude:account:index", id]));
    batch.push(Cmd::new("DEL").arg("claude:account:index:empty"));
}

/// Fields and indexes of contract/redis.md §a.
fn key(batch: &mut Batch, lookup_hash: &str, (id, name): (&str, &str), now_ms: i64, now_iso: &str) {
    let fields = [
        ("id", id),
        ("name", name),
        ("description", ""),
        ("icon", ""),
        ("apiKey", lookup_hash),
        ("tokenLimit", "0"),
        ("concurrencyLimit", "0"),
        ("rateLimitWindow", "0"),
        ("rateLimitRequests", "0"),
        ("rateLimitCost", "0"),
        ("dailyCostLimit", "0"),
        ("totalCostLimit", "0"),
        ("weeklyOpusCostLimit", "0"),
        ("isActive", "true"),
        ("claudeAccountId", ""),
        ("claudeConsoleAccountId", ""),
        ("geminiAccountId", ""),
        ("openaiAccountId", ""),
        ("azureOpenaiAccountId", ""),
        ("bedrockAccountId", ""),
        ("droidAccountId", ""),
        ("permissions", "[]"),
        ("enableModelRestriction", "false"),
        ("restrictedModels", "[]"),
        ("enableClientRestriction", "false"),
        ("allowedClients", "[]"),
        ("tags", "[]"),
        ("serviceRates", "{}"),
        ("activationDays", "0"),
        ("activationUnit", "days"),
        ("expirationMode", "fixed"),
        ("isActivated", "true"),
        ("activatedAt", now_iso),
        ("createdAt", now_iso),
        ("lastUsedAt", ""),
        ("expiresAt", ""),
        ("createdBy", "admin"),
        ("userId", ""),
        ("userUsername", ""),
        ("weeklyResetDay", "1"),
        ("weeklyResetHour", "0"),
        ("enableOpenAIResponsesCodexAdaptation", "true"),
        ("enableOpenAIResponsesPayloadRules", "false"),
        ("openaiResponsesPayloadRules", "[]"),
    ];
    batch.push(Cmd::new("HSET").args(["apikey:hash_map", lookup_hash, id]));
    batch.push(hash(&format!("apikey:{id}"), fields));
    batch.push(Cmd::new("EXPIRE").arg(format!("apikey:{id}")).arg(365 * 24 * 60 * 60_i64));
    for range in ["today", "7days", "30days", "all"] {
        batch.push(Cmd::new("ZADD").arg(format!("cost_rank:{range}")).arg(0_i64).arg(id));
    }
    batch.push(Cmd::new("ZADD").arg("apikey:idx:createdAt").arg(now_ms).arg(id));
    batch.push(Cmd::new("ZADD").arg("apikey:idx:lastUsedAt").arg(0_i64).arg(id));
    let by_name = format!("{}\0{id}", name.to_lowercase());
    batch.push(Cmd::new("ZADD").arg("apikey:idx:name").arg(0_i64).arg(by_name));
    batch.push(Cmd::new("SADD").args(["apikey:idx:all", id]));
    batch.push(Cmd::new("SADD").args(["apikey:set:active", id]));
}

/// All fields of a record.
fn hash<const N: usize>(key: &str, fields: [(&str, &str); N]) -> Cmd {
    Cmd::new("HSET").arg(key).args(fields.into_iter().flat_map(|(name, value)| [name, value]))
}
