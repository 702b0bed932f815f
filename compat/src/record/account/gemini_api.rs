//! Gemini API-key accounts: `gemini_api_account:{id}`.

use crate::record::{
    field::{
        Date, Flag, Late, ProxyField, Secret, Text, Texts, UnlessFalse, Unset, Whole, WholeOrZero,
    },
    layout::record,
};

record! {
    /// A Gemini API-key account (contract/redis.md §b).
    pub struct GeminiApi {
        /// Legacy name of the kind.
        platform: Text => "platform",
        /// Display name.
        name: Text => "name",
        /// Free text.
        description: Text => "description",
        /// Base URL.
        base_url: Text => "baseUrl",
        /// Encrypted API key.
        api_key: Secret => "apiKey",
        /// Lower is served first.
        priority: Whole<50> => "priority",
        /// Outbound proxy.
        proxy: ProxyField => "proxy",
        /// Whether the account may be used.
        is_active: Flag => "isActive",
        /// `shared`, `dedicated` or `group`; empty counts as shared.
        account_type: Text => "accountType",
        /// Whether the scheduler may choose it.
        schedulable: UnlessFalse => "schedulable",
        /// Models served; none means all.
        supported_models: Texts => "supportedModels",
        /// Creation time.
        created_at: Date => "createdAt",
        /// Last use.
        last_used_at: Date => "lastUsedAt",
        /// `active`, `rateLimited`, `unauthorized`.
        status: Text => "status",
        /// Reason of a bad status.
        error_message: Text => "errorMessage",
        /// When the account was limited.
        rate_limited_at: Date => "rateLimitedAt",
        /// `limited` or unset.
        rate_limit_status: Unset => "rateLimitStatus",
        /// Minutes a limit lasts.
        rate_limit_duration: WholeOrZero<60> => "rateLimitDuration",
        /// Whether upstream errors never disable the account.
        disable_auto_protection: Flag => "disableAutoProtection",
        /// When the limit ends.
        rate_limit_reset_at: Late<Date> => "rateLimitResetAt",
        /// Last 401.
        unauthorized_at: Late<Date> => "unauthorizedAt",
        /// How many 401 there were.
        unauthorized_count: Late<Whole<0>> => "unauthorizedCount",
        /// Last edit.
        updated_at: Late<Date> => "updatedAt",
    }
}
