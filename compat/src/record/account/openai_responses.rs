//! OpenAI-Responses providers with an API key: `openai_responses_account:{id}`.

use crate::record::{
    field::{
        Amount, Date, Flag, Late, ProxyField, Secret, Text, UnlessFalse, Unset, Whole, WholeOrZero,
    },
    layout::record,
};

record! {
    /// An OpenAI-Responses account (contract/redis.md §b).
    pub struct OpenAiResponses {
        /// Legacy name of the kind.
        platform: Text => "platform",
        /// Display name.
        name: Text => "name",
        /// Free text.
        description: Text => "description",
        /// Base URL without a slash at the end.
        base_api: Text => "baseApi",
        /// Encrypted API key.
        api_key: Secret => "apiKey",
        /// User-Agent sent upstream; empty passes the client's on.
        user_agent: Text => "userAgent",
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
        /// End of the plan; unset is never.
        subscription_expires_at: Date => "subscriptionExpiresAt",
        /// Creation time.
        created_at: Date => "createdAt",
        /// Last use.
        last_used_at: Date => "lastUsedAt",
        /// `active`, `rateLimited`, `unauthorized`, `quotaExceeded`.
        status: Text => "status",
        /// Reason of a bad status.
        error_message: Text => "errorMessage",
        /// When the account was limited.
        rate_limited_at: Date => "rateLimitedAt",
        /// `limited` or unset.
        rate_limit_status: Unset => "rateLimitStatus",
        /// Minutes a limit lasts.
        rate_limit_duration: WholeOrZero<60> => "rateLimitDuration",
        /// USD per day; 0 does not limit.
        daily_quota: Amount => "dailyQuota",
        /// USD counted today.
        daily_usage: Amount => "dailyUsage",
        /// Local date of the last daily reset.
        last_reset_date: Date => "lastResetDate",
        /// Local time of the daily reset, `HH:mm`.
        quota_reset_time: Text => "quotaResetTime",
        /// When the quota stopped scheduling.
        quota_stopped_at: Date => "quotaStoppedAt",
        /// Whether upstream errors never disable the account.
        disable_auto_protection: Flag => "disableAutoProtection",
        /// `responses` or `auto`.
        provider_endpoint: Text => "providerEndpoint",
        /// When the limit ends.
        rate_limit_reset_at: Late<Date> => "rateLimitResetAt",
        /// Last 401.
        unauthorized_at: Late<Date> => "unauthorizedAt",
        /// How many 401 there were.
        unauthorized_count: Late<Whole<0>> => "unauthorizedCount",
        /// Tokens used.
        total_used_tokens: Late<Whole<0>> => "totalUsedTokens",
        /// Last edit.
        updated_at: Late<Date> => "updatedAt",
    }
}
