//! Accounts that logged in with ChatGPT.

use compat::{
    crypto::{Service, Vault},
    store::{Batch, Cmd},
};
use serde_json::json;

use super::hash;

/// Fields and index of contract/openai-azure-droid.md §6. The token is good until `expires`.
pub(super) fn account(
    batch: &mut Batch,
    vault: &Vault,
    (id, name): (&str, &str),
    (now_iso, expires_iso): (&str, &str),
) {
    let oauth = json!({
        "accessToken": "standin-access-token",
        "refreshToken": "standin-refresh-token",
        "idToken": "standin-id-token",
        "expires_in": 86_400,
    });
    let seal = |plain: &str| vault.encrypt(Service::OpenAi, plain);
    let (access, refresh) = (seal("standin-access-token"), seal("standin-refresh-token"));
    let (id_token, email) = (seal("standin-id-token"), seal("demo@localhost"));
    let oauth = seal(&oauth.to_string());
    let fields = [
        ("id", id),
        ("name", name),
        ("description", "Answers from this machine"),
        ("accountType", "shared"),
        ("groupId", ""),
        ("priority", "50"),
        ("rateLimitDuration", "60"),
        ("idToken", &id_token),
        ("accessToken", &access),
        ("refreshToken", &refresh),
        ("openaiOauth", &oauth),
        ("accountId", "00000000-0000-4000-8000-000000000000"),
        ("chatgptUserId", "user-standin"),
        ("organizationId", ""),
        ("organizationRole", ""),
        ("organizationTitle", ""),
        ("planType", "plus"),
        ("email", &email),
        ("emailVerified", "true"),
        ("expiresAt", expires_iso),
        ("subscriptionExpiresAt", ""),
        ("isActive", "true"),
        ("status", "active"),
        ("schedulable", "true"),
        ("disableAutoProtection", "false"),
        ("lastRefresh", now_iso),
        ("createdAt", now_iso),
        ("updatedAt", now_iso),
    ];
    batch.push(hash(&format!("openai:account:{id}"), fields));
    batch.push(Cmd::new("SADD").args(["openai:account:index", id]));
    batch.push(Cmd::new("DEL").arg("openai:account:index:empty"));
    batch.push(Cmd::new("SADD").args(["shared_openai_accounts", id]));
}
