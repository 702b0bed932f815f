//! Seeds: the commands that leave Redis as the legacy service's own creating functions would.
//!
//! Field lists and defaults are `contract/redis.md §a, §b`.

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use super::{
    openai::{self, AZURE_SALT, OPENAI_SALT, OPENAI_SECRETS, RESPONSES_SALT},
    redis::{Command, command},
    scenario::Scenario,
    template::{Run, derived_hex},
};

/// Long past in every run, so that it is never taken for a moment of the run.
pub const CREATED: &str = "2024-01-02T03:04:05.678Z";

/// Local ports of the scripted proxies.
#[derive(Clone, Copy, Debug)]
pub struct ProxyPorts {
    pub http: u16,
    pub socks5: u16,
}

/// Salts of the account services.
pub const CLAUDE_SALT: &str = "salt";
pub const CONSOLE_SALT: &str = "claude-console-salt";
pub const CCR_SALT: &str = "ccr-account-salt";

/// All commands of a scenario's seed.
pub fn commands(run: &Run<'_>, scenario: &Scenario, ports: ProxyPorts) -> Result<Vec<Command>> {
    let mut out = Vec::new();
    if let Some(settings) = &scenario.settings {
        let stored = Value::Object(settings.clone()).to_string();
        out.push(command(["SET", "claude_relay_config", &stored]));
    }
    if let Some(rates) = &scenario.service_rates {
        out.push(command(["SET", "system:service_rates", &rates.to_string()]));
    }
    let default_keys = Map::from_iter([("main".to_owned(), json!({}))]);
    for (alias, fields) in scenario.keys.as_ref().unwrap_or(&default_keys) {
        key(run, alias, fields, &mut out)?;
    }
    let default_accounts = Map::from_iter([("a".to_owned(), json!({}))]);
    let accounts = scenario.accounts.as_ref().unwrap_or(&default_accounts);
    for (alias, fields) in accounts {
        account(run, alias, fields, ports, &mut out)?;
    }
    for (alias, group) in &scenario.groups {
        self::group(run, alias, group, accounts, &mut out)?;
    }
    for (hash, alias) in &scenario.sticky {
        let alias = alias.as_str().context("sticky maps a hash to an account alias")?;
        let kind = accounts.get(alias).map_or("official", kind_of);
        out.push(sticky(hash, &run.account_id(alias), kind));
    }
    out.extend(scenario.redis.iter().map(command));
    Ok(out)
}

fn sticky(hash: &str, account: &str, kind: &str) -> Command {
    if kind == "azure" {
        let name = format!("azure_openai_session_account_mapping:{hash}");
        return command(["SETEX", &name, "1800", account]);
    }
    let (family, kind) = match (kind, openai::account_type(kind)) {
        (_, Some(kind)) => ("openai", kind),
        ("official", _) => ("claude", "claude-official"),
        ("console", _) => ("claude", "claude-console"),
        (other, _) => ("claude", other),
    };
    let stored = json!({ "accountId": account, "accountType": kind });
    let name = format!("unified_{family}_session_mapping:{hash}");
    command(["SETEX", &name, "1800", &stored.to_string()])
}

fn key(run: &Run<'_>, alias: &str, changes: &Value, out: &mut Vec<Command>) -> Result<()> {
    let id = run.key_id(alias);
    let hash = run.vault.key_hash(&run.plain_key(alias));
    let mut fields = text_fields(&json!({
        "id": id, "name": format!("key {alias}"), "description": "", "apiKey": hash,
        "tokenLimit": "0", "concurrencyLimit": "0", "rateLimitWindow": "0",
        "rateLimitRequests": "0", "rateLimitCost": "0", "isActive": "true",
        "claudeAccountId": "", "claudeConsoleAccountId": "", "geminiAccountId": "",
        "openaiAccountId": "", "azureOpenaiAccountId": "", "bedrockAccountId": "",
        "droidAccountId": "", "permissions": "[]", "enableModelRestriction": "false",
        "restrictedModels": "[]", "enableClientRestriction": "false", "allowedClients": "[]",
        "dailyCostLimit": "0", "totalCostLimit": "0", "weeklyOpusCostLimit": "0", "tags": "[]",
        "activationDays": "0", "activationUnit": "days", "expirationMode": "fixed",
        "isActivated": "true", "activatedAt": CREATED, "createdAt": CREATED, "lastUsedAt": "",
        "expiresAt": "", "createdBy": "admin", "userId": "", "userUsername": "", "icon": "",
        "serviceRates": "{}", "weeklyResetDay": "1", "weeklyResetHour": "0",
        "enableOpenAIResponsesCodexAdaptation": "true",
        "enableOpenAIResponsesPayloadRules": "false", "openaiResponsesPayloadRules": "[]"
    }));
    apply(&mut fields, changes);
    let deleted = text(&fields, "isDeleted") == "true";
    let active = text(&fields, "isActive") == "true";
    let name = format!("{}\0{id}", text(&fields, "name").to_lowercase());
    if !deleted {
        out.push(command(["HSET", "apikey:hash_map", &hash, &id]));
    }
    out.push(hset(&format!("apikey:{id}"), &fields));
    // Less than the service's own year, so that its renewal on use is seen.
    out.push(command(["EXPIRE", &format!("apikey:{id}"), "25920000"]));
    out.push(command(["ZADD", "apikey:idx:createdAt", "1704164645678", &id]));
    out.push(command(["ZADD", "apikey:idx:lastUsedAt", "0", &id]));
    out.push(command(["ZADD", "apikey:idx:name", "0", &name]));
    out.push(command(["SADD", "apikey:idx:all", &id]));
    if deleted {
        out.push(command(["SADD", "apikey:set:deleted", &id]));
    } else if active {
        out.push(command(["SADD", "apikey:set:active", &id]));
    }
    if !deleted {
        for range in ["today", "7days", "30days", "all"] {
            out.push(command(["ZADD", &format!("cost_rank:{range}"), "0", &id]));
        }
    }
    Ok(())
}

fn kind_of(fields: &Value) -> &str {
    fields.get("type").and_then(Value::as_str).unwrap_or("official")
}

fn account(
    run: &Run<'_>,
    alias: &str,
    changes: &Value,
    ports: ProxyPorts,
    out: &mut Vec<Command>,
) -> Result<()> {
    let id = run.account_id(alias);
    let mut changes = changes.clone();
    if let Some(via) = changes.get("proxy").filter(|proxy| proxy.is_object()) {
        changes["proxy"] = Value::String(proxy_text(via, ports)?);
    }
    let (record, index, salt, secrets, shared, fields) = match kind_of(&changes) {
        "official" => (
            "claude:account:",
            "claude:account:index",
            CLAUDE_SALT,
            &["email", "password", "accessToken", "refreshToken", "claudeAiOauth"][..],
            None,
            official(run, alias, &id),
        ),
        "console" => (
            "claude_console_account:",
            "claude_console_account:index",
            CONSOLE_SALT,
            &["apiKey"][..],
            Some("shared_claude_console_accounts"),
            console(run, alias, &id),
        ),
        "ccr" => (
            "ccr_account:",
            "ccr_account:index",
            CCR_SALT,
            &["apiKey"][..],
            Some("shared_ccr_accounts"),
            ccr(run, alias, &id),
        ),
        "openai" => (
            "openai:account:",
            "openai:account:index",
            OPENAI_SALT,
            &OPENAI_SECRETS[..],
            Some("shared_openai_accounts"),
            openai::oauth(run, alias, &id),
        ),
        "responses" => (
            "openai_responses_account:",
            "openai_responses_account:index",
            RESPONSES_SALT,
            &["apiKey"][..],
            Some("shared_openai_responses_accounts"),
            openai::responses(run, alias, &id),
        ),
        "azure" => (
            "azure_openai:account:",
            "azure_openai:account:index",
            AZURE_SALT,
            &["apiKey"][..],
            Some("shared_azure_openai_accounts"),
            openai::azure(alias, &id),
        ),
        "bedrock" => return bedrock(run, alias, &id, &changes, out),
        other => bail!("unknown account type {other}"),
    };
    let mut fields = text_fields(&fields);
    apply(&mut fields, &changes);
    fields.shift_remove("type");
    for secret in secrets {
        if let Some(plain) = fields.get(*secret).and_then(Value::as_str) {
            // `raw:` keeps a secret as written: a record that does not decrypt.
            let sealed = match plain.strip_prefix("raw:") {
                Some(raw) => raw.to_owned(),
                None => run.vault.encrypt(salt, plain)?,
            };
            fields.insert((*secret).to_owned(), Value::String(sealed));
        }
    }
    out.push(hset(&format!("{record}{id}"), &fields));
    out.push(command(["SADD", index, &id]));
    out.push(command(["DEL", &format!("{index}:empty")]));
    if let Some(shared) = shared.filter(|_| text(&fields, "accountType") == "shared") {
        out.push(command(["SADD", shared, &id]));
    }
    Ok(())
}

fn official(run: &Run<'_>, alias: &str, id: &str) -> Value {
    let access = format!("sk-ant-oat01-{alias}-{}", &derived_hex("", "access", alias)[..40]);
    let refresh = format!("sk-ant-ort01-{alias}-{}", &derived_hex("", "refresh", alias)[..40]);
    let expires = (run.now_ms + 8 * super::template::HOUR).to_string();
    let oauth = json!({ "accessToken": access, "refreshToken": refresh }).to_string();
    json!({
        "id": id, "name": format!("official {alias}"), "description": "",
        "email": format!("{alias}@example.test"), "password": "", "claudeAiOauth": oauth,
        "accessToken": access, "refreshToken": refresh, "expiresAt": expires,
        "scopes": "user:inference", "proxy": "", "isActive": "true", "accountType": "shared",
        "platform": "claude", "priority": "50", "createdAt": CREATED, "lastUsedAt": "",
        "lastRefreshAt": "", "status": "active", "errorMessage": "", "schedulable": "true",
        "autoStopOnWarning": "false", "useUnifiedUserAgent": "false",
        "useUnifiedClientId": "false", "unifiedClientId": "", "subscriptionInfo": "",
        "subscriptionExpiresAt": "", "extInfo": "", "maxConcurrency": "0",
        "interceptWarmup": "false", "disableTempUnavailable": "false",
        "tempUnavailable503TtlSeconds": "", "tempUnavailable5xxTtlSeconds": ""
    })
}

fn console(run: &Run<'_>, alias: &str, id: &str) -> Value {
    json!({
        "id": id, "platform": "claude-console", "name": format!("console {alias}"),
        "description": "", "apiUrl": "https://console.example.test",
        "apiKey": format!("console-secret-{alias}"), "priority": "50", "supportedModels": "{}",
        "userAgent": "claude-cli/1.0.69 (external, cli)", "rateLimitDuration": "60", "proxy": "",
        "isActive": "true", "accountType": "shared", "createdAt": CREATED, "lastUsedAt": "",
        "status": "active", "errorMessage": "", "subscriptionExpiresAt": "", "rateLimitedAt": "",
        "rateLimitStatus": "", "schedulable": "true", "dailyQuota": "0", "dailyUsage": "0",
        "lastResetDate": run.calendar.format(run.now_ms, "%Y-%m-%d"), "quotaResetTime": "00:00",
        "quotaStoppedAt": "", "maxConcurrentTasks": "0", "disableAutoProtection": "false",
        "interceptWarmup": "false"
    })
}

fn ccr(run: &Run<'_>, alias: &str, id: &str) -> Value {
    json!({
        "id": id, "platform": "ccr", "name": format!("ccr {alias}"), "description": "",
        "apiUrl": "https://ccr.example.test", "apiKey": format!("ccr-secret-{alias}"),
        "priority": "50", "supportedModels": "{}", "userAgent": "claude-relay-service/1.0.0",
        "rateLimitDuration": "60", "proxy": "", "isActive": "true", "accountType": "shared",
        "subscriptionExpiresAt": "", "createdAt": CREATED, "lastUsedAt": "", "status": "active",
        "errorMessage": "", "rateLimitedAt": "", "rateLimitStatus": "", "schedulable": "true",
        "dailyQuota": "0", "dailyUsage": "0",
        "lastResetDate": run.calendar.format(run.now_ms, "%Y-%m-%d"), "quotaResetTime": "00:00",
        "quotaStoppedAt": "", "disableAutoProtection": "false"
    })
}

/// Bedrock records are JSON text with native types. They are seeded without credentials, which is
/// enough to take part in scheduling; a scenario gives them as `"awsCredentials": "AKIA…"` (the secret
/// follows from the id, see `aws::secret_of`) or an object, or as `"bearerToken": "text"`, and both are
/// stored encrypted. `{"raw": …}` is stored as it is, and `null` removes a member.
fn bedrock(
    run: &Run<'_>,
    alias: &str,
    id: &str,
    changes: &Value,
    out: &mut Vec<Command>,
) -> Result<()> {
    let mut record = json!({
        "id": id, "name": format!("bedrock {alias}"), "description": "", "region": "us-east-1",
        "defaultModel": "us.anthropic.claude-sonnet-4-20250514-v1:0", "isActive": true,
        "accountType": "shared", "priority": 50, "schedulable": true,
        "credentialType": "access_key", "subscriptionExpiresAt": null, "createdAt": CREATED,
        "updatedAt": CREATED, "type": "bedrock", "disableAutoProtection": false
    });
    for (name, value) in changes.as_object().into_iter().flatten() {
        let secret = matches!(name.as_str(), "awsCredentials" | "bearerToken");
        record[name] = match value {
            Value::Object(form) if form.contains_key("raw") => form["raw"].clone(),
            Value::Null if name != "subscriptionExpiresAt" => {
                record.as_object_mut().context("a record")?.shift_remove(name);
                continue;
            }
            Value::String(token) if name == "bearerToken" => {
                run.vault.seal_bedrock(&json!({ "token": token }))
            }
            Value::String(id) if secret => {
                let secret = super::aws::secret_of(id);
                run.vault.seal_bedrock(&json!({ "accessKeyId": id, "secretAccessKey": secret }))
            }
            Value::Object(_) if secret => run.vault.seal_bedrock(value),
            other => other.clone(),
        };
    }
    out.push(command(["SET", &format!("bedrock_account:{id}"), &record.to_string()]));
    out.push(command(["SADD", "bedrock_account:index", id]));
    out.push(command(["DEL", "bedrock_account:index:empty"]));
    Ok(())
}

fn proxy_text(via: &Value, ports: ProxyPorts) -> Result<String> {
    let kind = via.get("via").and_then(Value::as_str).context("proxy needs `via`")?;
    let port = match kind {
        "http" | "https" => ports.http,
        "socks5" => ports.socks5,
        "closed" => 1,
        other => bail!("unknown proxy {other}"),
    };
    let kind = if kind == "closed" { "http" } else { kind };
    let mut proxy = json!({ "type": kind, "host": "127.0.0.1", "port": port });
    for name in ["username", "password"] {
        if let Some(value) = via.get(name) {
            proxy[name] = value.clone();
        }
    }
    Ok(proxy.to_string())
}

/// The platform is that of the first member when none is named.
fn group(
    run: &Run<'_>,
    alias: &str,
    group: &Value,
    accounts: &Map<String, Value>,
    out: &mut Vec<Command>,
) -> Result<()> {
    let id = run.group_id(alias);
    let first = group.pointer("/members/0").and_then(Value::as_str).unwrap_or_default();
    let first = accounts.get(first).map_or("official", kind_of);
    let usual = if openai::account_type(first).is_some() { "openai" } else { "claude" };
    let platform = group.get("platform").and_then(Value::as_str).unwrap_or(usual);
    let fallback = format!("group {alias}");
    let name = group.get("name").and_then(Value::as_str).unwrap_or(&fallback).to_owned();
    let fields = text_fields(&json!({
        "id": id, "name": name, "platform": platform, "description": "",
        "createdAt": CREATED, "updatedAt": CREATED
    }));
    out.push(hset(&format!("account_group:{id}"), &fields));
    out.push(command(["SADD", "account_groups", &id]));
    for member in group.get("members").and_then(Value::as_array).into_iter().flatten() {
        let member = run.account_id(member.as_str().context("group members are aliases")?);
        out.push(command(["SADD", &format!("account_group_members:{id}"), &member]));
        out.push(command(["SADD", &format!("account_groups_reverse:{platform}:{member}"), &id]));
    }
    Ok(())
}

fn text_fields(fields: &Value) -> Map<String, Value> {
    fields.as_object().cloned().unwrap_or_default()
}

/// Overrides fields; `null` removes one, arrays and objects are stored as JSON text.
fn apply(fields: &mut Map<String, Value>, changes: &Value) {
    for (name, value) in changes.as_object().into_iter().flatten() {
        match value {
            Value::Null => {
                fields.shift_remove(name);
            }
            Value::String(text) => {
                fields.insert(name.clone(), Value::String(text.clone()));
            }
            other => {
                fields.insert(name.clone(), Value::String(other.to_string()));
            }
        }
    }
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn hset(key: &str, fields: &Map<String, Value>) -> Command {
    let mut parts = vec!["HSET".to_owned(), key.to_owned()];
    for (name, value) in fields {
        parts.push(name.clone());
        parts.push(value.as_str().unwrap_or_default().to_owned());
    }
    command(parts)
}
