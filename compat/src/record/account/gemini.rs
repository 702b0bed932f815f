//! Gemini CLI and Antigravity accounts: `gemini_account:{id}`.

use crate::record::{
    field::{Date, Flag, Late, ProxyField, Secret, Text, UnlessFalse, Unset, Whole, Words},
    layout::record,
};

record! {
    /// A Gemini OAuth account (contract/redis.md §b). `expires_at` is the token's end; unset counts as over.
    pub struct Gemini {
        /// Legacy name of the kind.
        platform: Text => "platform",
        /// Display name.
        name: Text => "name",
        /// Free text.
        description: Text => "description",
        /// `shared`, `dedicated` or `group`; empty counts as shared.
        account_type: Text => "accountType",
        /// Whether the account may be used.
        is_active: Flag => "isActive",
        /// `active` or `error`.
        status: Text => "status",
        /// Whether the scheduler may choose it.
        schedulable: UnlessFalse => "schedulable",
        /// Lower is served first.
        priority: Whole<50> => "priority",
        /// Encrypted JSON of the OAuth data.
        gemini_oauth: Secret => "geminiOauth",
        /// Encrypted access token.
        access_token: Secret => "accessToken",
        /// Encrypted refresh token.
        refresh_token: Secret => "refreshToken",
        /// End of the access token.
        expires_at: Date => "expiresAt",
        /// OAuth scopes.
        scopes: Text => "scopes",
        /// `gemini-cli` or `antigravity`; empty is `gemini-cli`.
        oauth_provider: Text => "oauthProvider",
        /// End of the plan; unset is never.
        subscription_expires_at: Date => "subscriptionExpiresAt",
        /// Outbound proxy.
        proxy: ProxyField => "proxy",
        /// Google Cloud project.
        project_id: Text => "projectId",
        /// Project found for the account.
        temp_project_id: Text => "tempProjectId",
        /// Models served; none means all.
        supported_models: Words => "supportedModels",
        /// Whether upstream errors never disable the account.
        disable_auto_protection: Flag => "disableAutoProtection",
        /// Creation time.
        created_at: Date => "createdAt",
        /// Last edit.
        updated_at: Date => "updatedAt",
        /// Last use.
        last_used_at: Date => "lastUsedAt",
        /// Last token refresh.
        last_refresh_at: Date => "lastRefreshAt",
        /// `limited` or unset.
        rate_limit_status: Late<Unset> => "rateLimitStatus",
        /// When the account was limited.
        rate_limited_at: Late<Date> => "rateLimitedAt",
        /// Reason of a bad status.
        error_message: Late<Text> => "errorMessage",
    }
}
