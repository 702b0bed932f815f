//! Factory Droid accounts: `droid:account:{id}`.

use serde_json::Value;

use crate::record::{
    Sealed,
    field::{Date, Flag, Late, List, ProxyField, Secret, Text, UnlessFalse, Whole},
    layout::record,
};

record! {
    /// A Droid account (contract/redis.md §b). `expires_at` is the token's end as ISO text.
    pub struct Droid {
        /// Display name.
        name: Text => "name",
        /// Free text.
        description: Text => "description",
        /// Encrypted refresh token.
        refresh_token: Secret => "refreshToken",
        /// Encrypted access token.
        access_token: Secret => "accessToken",
        /// End of the access token.
        expires_at: Date => "expiresAt",
        /// End of the plan; unset is never.
        subscription_expires_at: Date => "subscriptionExpiresAt",
        /// Outbound proxy.
        proxy: ProxyField => "proxy",
        /// Whether the account may be used.
        is_active: Flag => "isActive",
        /// `shared`, `dedicated` or `group`; empty counts as shared.
        account_type: Text => "accountType",
        /// Legacy name of the kind.
        platform: Text => "platform",
        /// Lower is served first.
        priority: Whole<50> => "priority",
        /// Creation time.
        created_at: Date => "createdAt",
        /// Last use.
        last_used_at: Date => "lastUsedAt",
        /// Last token refresh.
        last_refresh_at: Date => "lastRefreshAt",
        /// `created`, `active`, `expired`, `error`.
        status: Text => "status",
        /// Reason of a bad status.
        error_message: Text => "errorMessage",
        /// Whether the scheduler may choose it.
        schedulable: UnlessFalse => "schedulable",
        /// `anthropic`, `openai` or `comm`.
        endpoint_type: Text => "endpointType",
        /// Organisation id.
        organization_id: Text => "organizationId",
        /// Owner's name or e-mail address.
        owner: Text => "owner",
        /// E-mail address.
        owner_email: Text => "ownerEmail",
        /// Name.
        owner_name: Text => "ownerName",
        /// Name to show.
        owner_display_name: Text => "ownerDisplayName",
        /// User id.
        user_id: Text => "userId",
        /// `Bearer`.
        token_type: Text => "tokenType",
        /// `api_key` or how the OAuth login went.
        authentication_method: Text => "authenticationMethod",
        /// Life of the token in seconds, as received.
        expires_in: Text => "expiresIn",
        /// API keys, see [`Droid::keys`].
        api_keys: List => "apiKeys",
        /// How many.
        api_key_count: Text => "apiKeyCount",
        /// `random_sticky` or empty.
        api_key_strategy: Text => "apiKeyStrategy",
        /// User-Agent sent upstream.
        user_agent: Text => "userAgent",
        /// Whether upstream errors never disable the account.
        disable_auto_protection: Flag => "disableAutoProtection",
        /// Last edit.
        updated_at: Late<Date> => "updatedAt",
    }
}

/// One API key of a Droid account.
#[derive(Clone, Debug, PartialEq)]
pub struct DroidKey {
    /// Id of the entry.
    pub id: String,
    /// SHA-256 of the plain key, hex.
    pub hash: String,
    /// The key, encrypted.
    pub key: Sealed,
    /// `active` or `error`.
    pub status: String,
}

impl Droid {
    /// The API keys of the account; entries that are not objects are left out.
    pub fn keys(&self) -> Vec<DroidKey> {
        let text = |entry: &Value, name| {
            entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let entries = self.api_keys.iter().filter(|entry| entry.is_object());
        entries
            .map(|entry| DroidKey {
                id: text(entry, "id"),
                hash: text(entry, "hash"),
                key: Sealed::from(text(entry, "encryptedKey")),
                status: text(entry, "status"),
            })
            .collect()
    }
}
