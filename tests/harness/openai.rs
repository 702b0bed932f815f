//! The OpenAI family: records of its accounts as the legacy service creates them, and its clients.
//!
//! Field lists are those of the creating functions (`contract/openai-azure-droid.md §6`).

use serde_json::{Value, json};

use super::{
    seed::CREATED,
    template::{HOUR, Run, derived_hex, derived_uuid},
};

/// Salts of the account services.
pub const OPENAI_SALT: &str = "openai-account-salt";
pub const RESPONSES_SALT: &str = "openai-responses-salt";
pub const AZURE_SALT: &str = "azure-openai-account-default-salt";

/// Secrets of an account that logged in with ChatGPT.
pub const OPENAI_SECRETS: [&str; 5] =
    ["idToken", "accessToken", "refreshToken", "openaiOauth", "email"];

/// Account type of sticky mappings and usage records; `None` for other families.
pub fn account_type(kind: &str) -> Option<&'static str> {
    match kind {
        "openai" => Some("openai"),
        "responses" => Some("openai-responses"),
        _ => None,
    }
}

/// An account that logged in with ChatGPT.
pub fn oauth(run: &Run<'_>, alias: &str, id: &str) -> Value {
    let token = |name: &str| format!("oai-{name}-{alias}-{}", &derived_hex("", name, alias)[..40]);
    let (id_token, access, refresh) = (token("id"), token("access"), token("refresh"));
    let oauth = json!({
        "idToken": id_token, "accessToken": access, "refreshToken": refresh, "expires_in": 864_000
    });
    json!({
        "id": id, "name": format!("openai {alias}"), "description": "", "accountType": "shared",
        "groupId": "", "priority": "50", "rateLimitDuration": "60", "idToken": id_token,
        "accessToken": access, "refreshToken": refresh, "openaiOauth": oauth.to_string(),
        "accountId": derived_uuid("", "chatgpt account", alias),
        "chatgptUserId": format!("user-{alias}"), "organizationId": format!("org-{alias}"),
        "organizationRole": "owner", "organizationTitle": "Personal", "planType": "plus",
        "email": format!("{alias}@example.test"), "emailVerified": "true",
        "expiresAt": run.iso(240 * HOUR / 1000), "subscriptionExpiresAt": "", "isActive": "true",
        "status": "active", "schedulable": "true", "disableAutoProtection": "false",
        "lastRefresh": CREATED, "createdAt": CREATED, "updatedAt": CREATED
    })
}

/// An account with a provider of the Responses API.
pub fn responses(run: &Run<'_>, alias: &str, id: &str) -> Value {
    json!({
        "id": id, "platform": "openai-responses", "name": format!("responses {alias}"),
        "description": "", "baseApi": "https://responses.example.test",
        "apiKey": format!("responses-secret-{alias}"), "userAgent": "", "priority": "50",
        "proxy": "", "isActive": "true", "accountType": "shared", "schedulable": "true",
        "subscriptionExpiresAt": "", "createdAt": CREATED, "lastUsedAt": "", "status": "active",
        "errorMessage": "", "rateLimitedAt": "", "rateLimitStatus": "", "rateLimitDuration": "60",
        "dailyQuota": "0", "dailyUsage": "0",
        "lastResetDate": run.calendar.format(run.now_ms, "%Y-%m-%d"), "quotaResetTime": "00:00",
        "quotaStoppedAt": "", "disableAutoProtection": "false", "providerEndpoint": "responses"
    })
}

/// A deployment at Azure.
pub fn azure(alias: &str, id: &str) -> Value {
    json!({
        "id": id, "name": format!("azure {alias}"), "description": "", "accountType": "shared",
        "groupId": "", "priority": "50", "azureEndpoint": "https://unit.openai.azure.com",
        "apiVersion": "2024-02-01", "deploymentName": "gpt-4",
        "apiKey": format!("azure-secret-{alias}"),
        "supportedModels": r#"["gpt-4","gpt-4-turbo","gpt-35-turbo","gpt-35-turbo-16k"]"#,
        "subscriptionExpiresAt": "", "isActive": "true", "status": "active",
        "schedulable": "true", "disableAutoProtection": "false", "createdAt": CREATED,
        "updatedAt": CREATED
    })
}

/// The session that a Codex client names, the same in every run.
pub fn session(run: &Run<'_>) -> String {
    derived_uuid(run.scenario, "session", "codex")
}

/// Headers of Codex CLI beyond those of every client, in its order.
pub fn codex_headers(run: &Run<'_>) -> Vec<(&'static str, String)> {
    let session = session(run);
    vec![
        ("version", "0.46.0".to_owned()),
        ("openai-beta", "responses=experimental".to_owned()),
        ("conversation_id", session.clone()),
        ("session_id", session),
        ("Accept", "text/event-stream".to_owned()),
        ("Content-Type", "application/json".to_owned()),
        ("User-Agent", "codex_cli_rs/0.46.0 (Ubuntu 22.4.0; x86_64) xterm-256color".to_owned()),
        ("originator", "codex_cli_rs".to_owned()),
    ]
}

/// Headers of OpenAI's SDK beyond those of every client.
pub const SDK_HEADERS: [(&str, &str); 9] = [
    ("User-Agent", "OpenAI/Python 1.50.0"),
    ("X-Stainless-Lang", "python"),
    ("X-Stainless-Package-Version", "1.50.0"),
    ("X-Stainless-OS", "Linux"),
    ("X-Stainless-Arch", "x64"),
    ("X-Stainless-Runtime", "CPython"),
    ("X-Stainless-Runtime-Version", "3.12.3"),
    ("x-stainless-async", "false"),
    ("x-stainless-retry-count", "0"),
];

/// A request as Codex CLI sends it.
pub fn codex_body(run: &Run<'_>) -> Value {
    json!({
        "model": "gpt-5-codex",
        "instructions": "You are a coding agent under test.",
        "input": [{
            "type": "message", "role": "user",
            "content": [{ "type": "input_text", "text": "hi" }]
        }],
        "tools": [{
            "type": "function", "name": "shell", "description": "Runs a command.",
            "strict": false,
            "parameters": {
                "type": "object", "properties": { "command": { "type": "array" } },
                "required": ["command"]
            }
        }],
        "tool_choice": "auto", "parallel_tool_calls": false,
        "reasoning": { "effort": "medium", "summary": "auto" },
        "store": false, "stream": true, "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": session(run)
    })
}

/// A request as OpenAI's SDK sends it to the path.
pub fn sdk_body(path: &str) -> Value {
    if path.contains("/embeddings") {
        json!({ "model": "text-embedding-3-small", "input": "hi" })
    } else if path.contains("/images/") {
        json!({ "model": "gpt-image-2", "prompt": "A lighthouse at dusk" })
    } else if path.contains("completions") {
        json!({ "model": "gpt-4", "messages": [{ "role": "user", "content": "hi" }] })
    } else {
        json!({ "model": "gpt-5", "input": "hi" })
    }
}
