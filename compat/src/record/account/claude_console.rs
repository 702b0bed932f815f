//! Anthropic-compatible providers with an API key: `claude_console_account:{id}`.

use crate::record::{
    field::{
        Amount, Date, Flag, Late, Models, ProxyField, Secret, Text, UnlessFalse, Unset, Whole,
        WholeOrZero,
    },
    layout::record,
};

record! {
    /// A Claude console account (contract/redis.md §b).
    pub struct ClaudeConsole {
        /// `claude-console`.
        platform: Text => "platform",
        /// Display name.
        name: Text => "name",
        /// Free text.
        description: Text => "description",
        /// Base URL of the provider.
        api_url: Text => "apiUrl",
        /// Encrypted API key.
        api_key: Secret => "apiKey",
        /// Lower is served first.
        priority: Whole<50> => "priority",
        /// Models served, and their names there.
        supported_models: Models => "supportedModels",
        /// User-Agent sent upstream; empty passes the client's on.
        user_agent: Text => "userAgent",
        /// Minutes a 429 lasts; 0 never limits.
        rate_limit_duration: WholeOrZero<60> => "rateLimitDuration",
        /// Outbound proxy.
        proxy: ProxyField => "proxy",
        /// Whether the account may be used.
        is_active: Flag => "isActive",
        /// `shared`, `dedicated` or `group`; empty counts as shared.
        account_type: Text => "accountType",
        /// Creation time.
        created_at: Date => "createdAt",
        /// Last use.
        last_used_at: Date => "lastUsedAt",
        /// `active`, `rate_limited`, `quota_exceeded`, `account_blocked`, `unauthorized`, `blocked`.
        status: Text => "status",
        /// Reason of a bad status.
        error_message: Text => "errorMessage",
        /// End of the plan; unset is never.
        subscription_expires_at: Date => "subscriptionExpiresAt",
        /// When the account was limited.
        rate_limited_at: Date => "rateLimitedAt",
        /// `limited` or unset.
        rate_limit_status: Unset => "rateLimitStatus",
        /// Whether the scheduler may choose it.
        schedulable: UnlessFalse => "schedulable",
        /// USD per day; 0 does not limit.
        daily_quota: Amount => "dailyQuota",
        /// Not kept up; the live cost is computed from usage.
        daily_usage: Amount => "dailyUsage",
        /// Local date of the last daily reset.
        last_reset_date: Date => "lastResetDate",
        /// Local time of the daily reset, `HH:mm`.
        quota_reset_time: Text => "quotaResetTime",
        /// When the quota stopped scheduling.
        quota_stopped_at: Date => "quotaStoppedAt",
        /// Requests at once; 0 does not limit.
        max_concurrent_tasks: Whole<0> => "maxConcurrentTasks",
        /// Whether upstream errors never disable the account.
        disable_auto_protection: Flag => "disableAutoProtection",
        /// Whether warm-up requests are answered here.
        intercept_warmup: Flag => "interceptWarmup",
        /// Whether the limit stopped scheduling.
        rate_limit_auto_stopped: Late<Flag> => "rateLimitAutoStopped",
        /// Whether the quota stopped scheduling.
        quota_auto_stopped: Late<Flag> => "quotaAutoStopped",
        /// When the account was blocked.
        blocked_at: Late<Date> => "blockedAt",
        /// `blocked`.
        blocked_status: Late<Unset> => "blockedStatus",
        /// Whether that stopped scheduling.
        blocked_auto_stopped: Late<Flag> => "blockedAutoStopped",
        /// Last 529.
        overloaded_at: Late<Date> => "overloadedAt",
        /// `overloaded`, for ten minutes.
        overload_status: Late<Unset> => "overloadStatus",
        /// Last 401.
        unauthorized_at: Late<Date> => "unauthorizedAt",
        /// How many 401 there were.
        unauthorized_count: Late<Whole<0>> => "unauthorizedCount",
        /// When scheduling stopped.
        auto_stopped_at: Late<Date> => "autoStoppedAt",
        /// Why.
        stopped_reason: Late<Unset> => "stoppedReason",
        /// Whether the provider lacks `count_tokens`.
        count_tokens_unavailable: Late<Flag> => "countTokensUnavailable",
        /// When that was seen.
        count_tokens_unavailable_at: Late<Date> => "countTokensUnavailableAt",
        /// Last edit.
        updated_at: Late<Date> => "updatedAt",
    }
}
