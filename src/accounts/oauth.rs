//! The vendor's OAuth endpoints: requests and answers, pure (contract/anthropic.md §3.1, §9).

use std::time::Duration;

use bytes::Bytes;
use compat::{
    js::{self, truthy},
    pool::Patch,
};
use serde_json::{Map, Value, json};

use crate::{
    domain::{HeaderList, ProxyConfig, Secret},
    upstream::UpstreamRequest,
};

const TOKEN_HOST: &str = "platform.claude.com";
const API_HOST: &str = "api.anthropic.com";
const USAGE_AGENT: &str = "claude-cli/2.0.53 (external, cli)";
/// Who we are to the vendor.
pub(super) const CLIENT_ID: &str = "9d1c250a-e61b-44d9-88ed-5944d1962f5e";
const AGENT: &str = "claude-cli/1.0.56 (external, cli)";
const LANGUAGE: &str = "en-US,en;q=0.9";
/// Longest silence of the token endpoint.
pub(super) const TOKEN_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest silence of the profile endpoint.
pub(super) const PROFILE_TIMEOUT: Duration = Duration::from_secs(15);

/// The request that trades a refresh token.
pub(super) fn token_request(refresh_token: &Secret, proxy: Option<ProxyConfig>) -> UpstreamRequest {
    let body = json!({
        "grant_type": "refresh_token",
        "refresh_token": refresh_token.expose(),
        "client_id": CLIENT_ID,
    });
    grant_request(&body, proxy)
}

/// A request to the token endpoint.
pub(super) fn grant_request(body: &Value, proxy: Option<ProxyConfig>) -> UpstreamRequest {
    let body = Bytes::from(body.to_string());
    // Order and spelling as the legacy service's HTTP library sends them.
    let mut headers = HeaderList::new();
    headers.push("Accept", "application/json, text/plain, */*");
    headers.push("Content-Type", "application/json");
    headers.push("User-Agent", AGENT);
    headers.push("Accept-Language", LANGUAGE);
    headers.push("Referer", "https://claude.ai/");
    headers.push("Origin", "https://claude.ai");
    headers.push("Content-Length", body.len().to_string());
    tail(&mut headers, TOKEN_HOST, proxy.is_some());
    UpstreamRequest {
        method: http::Method::POST,
        url: format!("https://{TOKEN_HOST}/v1/oauth/token"),
        headers,
        body,
        proxy,
        idle_timeout: TOKEN_TIMEOUT,
        decode_body: true,
    }
}

/// The request for the account's profile.
pub(super) fn profile_request(token: &Secret, proxy: Option<ProxyConfig>) -> UpstreamRequest {
    account_request("profile", token, &[("User-Agent", AGENT)], proxy)
}

/// The request for how much of the plan's windows is used.
pub(super) fn usage_request(token: &Secret, proxy: Option<ProxyConfig>) -> UpstreamRequest {
    let own = [("anthropic-beta", "oauth-2025-04-20"), ("User-Agent", USAGE_AGENT)];
    account_request("usage", token, &own, proxy)
}

fn account_request(
    what: &str,
    token: &Secret,
    own: &[(&str, &str)],
    proxy: Option<ProxyConfig>,
) -> UpstreamRequest {
    let mut headers = HeaderList::new();
    headers.push("Accept", "application/json");
    headers.push("Content-Type", "application/json");
    headers.push("Authorization", format!("Bearer {}", token.expose()));
    for (name, value) in own {
        headers.push(*name, *value);
    }
    headers.push("Accept-Language", LANGUAGE);
    tail(&mut headers, API_HOST, proxy.is_some());
    UpstreamRequest {
        method: http::Method::GET,
        url: format!("https://{API_HOST}/api/oauth/{what}"),
        headers,
        body: Bytes::new(),
        proxy,
        idle_timeout: PROFILE_TIMEOUT,
        decode_body: true,
    }
}

pub(super) fn tail(headers: &mut HeaderList, host: &str, proxied: bool) {
    headers.push("Accept-Encoding", "gzip, compress, deflate, br");
    headers.push("Host", host);
    // Connections through a proxy are not kept, as with the legacy service's proxy agents.
    headers.push("Connection", if proxied { "close" } else { "keep-alive" });
}

/// New tokens.
pub(super) struct Tokens {
    pub(super) access_token: Secret,
    /// Missing when the vendor did not rotate it.
    pub(super) refresh_token: Option<Secret>,
    /// Lifetime in seconds; not a number when the vendor gave none.
    pub(super) expires_in: f64,
    /// `subscriptionInfo` to store, if the answer tells of a plan.
    pub(super) plan: Option<String>,
}

/// Reads a token answer; `None` when there is no access token in it.
pub(super) fn read_tokens(body: &[u8]) -> Option<Tokens> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let text = |name: &str| {
        answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(Secret::from)
    };
    Some(Tokens {
        access_token: text("access_token")?,
        refresh_token: text("refresh_token"),
        expires_in: js::number(answer.get("expires_in")),
        plan: plan(&answer),
    })
}

/// `subscriptionInfo` to store, if an answer tells of a plan.
pub(super) fn plan(answer: &Value) -> Option<String> {
    if !["subscription", "plan", "tier", "account_type"]
        .iter()
        .any(|name| truthy(answer.get(*name)))
    {
        return None;
    }
    let mut info = Map::new();
    for (name, source) in [
        ("subscription", "subscription"),
        ("plan", "plan"),
        ("tier", "tier"),
        ("accountType", "account_type"),
        ("features", "features"),
        ("limits", "limits"),
    ] {
        if let Some(value) = answer.get(source) {
            info.insert(name.to_owned(), value.clone());
        }
    }
    Some(Value::Object(info).to_string())
}

/// Fields that a usage answer sets: the three windows, of which the last is fed from the weekly Sonnet
/// one. Empty when it tells of none.
pub(super) fn read_usage(body: &[u8], now_iso: &str) -> Patch {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let mut patch = Patch::new();
    for (window, name) in [
        ("five_hour", "claudeFiveHour"),
        ("seven_day", "claudeSevenDay"),
        ("seven_day_sonnet", "claudeSevenDayOpus"),
    ] {
        let Some(window) = js::or(answer.get(window)) else { continue };
        if let Some(used) = window.get("utilization") {
            patch = patch.set(format!("{name}Utilization"), js::text(used));
        }
        if let Some(end) = js::or(window.get("resets_at")) {
            patch = patch.set(format!("{name}ResetsAt"), js::text(end));
        }
    }
    if patch.is_empty() { patch } else { patch.set("claudeUsageUpdatedAt", now_iso) }
}

/// What a profile changes on the record.
pub(super) struct Profile {
    /// `subscriptionInfo` to store.
    pub(super) plan: String,
    /// E-mail address to store, encrypted.
    pub(super) email: Option<String>,
}

/// Reads a profile answer. Enterprise organisations count as Max; an account with neither plan too.
pub(super) fn read_profile(body: &[u8], now_iso: &str) -> Option<Profile> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let account = |name: &str| answer.get("account").and_then(|account| account.get(name));
    let organization = |name: &str| answer.get("organization").and_then(|org| org.get(name));
    let organization_type = organization("organization_type").and_then(Value::as_str);
    let enterprise =
        organization_type.is_some_and(|kind| kind.eq_ignore_ascii_case("claude_enterprise"));
    let max = account("has_claude_max") == Some(&Value::Bool(true)) || enterprise;
    let pro = account("has_claude_pro") == Some(&Value::Bool(true)) && !max;
    let mut info = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            info.insert(name.to_owned(), value);
        }
    };
    put("email", account("email").cloned());
    put("fullName", account("full_name").cloned());
    put("displayName", account("display_name").cloned());
    put("hasClaudeMax", Some(max.into()));
    put("hasClaudePro", Some(pro.into()));
    put("accountUuid", account("uuid").cloned());
    put("organizationName", organization("name").cloned());
    put("organizationUuid", organization("uuid").cloned());
    put("billingType", organization("billing_type").cloned());
    put("rateLimitTier", organization("rate_limit_tier").cloned());
    put("organizationType", organization("organization_type").cloned());
    put("accountType", Some(if pro { "claude_pro" } else { "claude_max" }.into()));
    put("profileFetchedAt", Some(now_iso.into()));
    let email = account("email").and_then(Value::as_str).filter(|email| !email.is_empty());
    let email = email.map(str::to_owned);
    truthy(Some(&answer)).then(|| Profile { plan: Value::Object(info).to_string(), email })
}
