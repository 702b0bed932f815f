//! Claude Code Router providers: `ccr_account:{id}`.

use crate::record::{
    field::{
        Amount, Date, Flag, Late, Models, ProxyField, Secret, Text, UnlessFalse, Unset, Whole,
    },
    layout::record,
};

record! {
    /// A CCR account (contract/redis.md §b). Its limited state is judged by `rate_limited_at` and
    /// `rate_limit_duration`; `rate_limit_status` says `active` even then.
    pub struct Ccr {
        /// Legacy name of the kind.
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
        /// User-Agent sent upstream.
        user_agent: Text => "userAgent",
        /// Minutes a limit lasts; 0 counts as 60.
        rate_limit_duration: Whole<60> => "rateLimitDuration",
        /// Outbound proxy.
        proxy: ProxyField => "proxy",
        /// Whether the account may be used.
        is_active: Flag => "isActive",
        /// `shared`, `dedicated` or `group`; empty counts as shared.
        account_type: Text => "accountType",
        /// End of the plan; unset is never.
        subscription_expires_at: Date => "subscriptionExpiresAt",
        /// Creation time.
        created_at: Date => "createdAt",
        /// Last use.
        last_used_at: Date => "lastUsedAt",
        /// `active`, `rate_limited`, `overloaded`, `unauthorized`, `blocked`, `quota_exceeded`.
        status: Text => "status",
        /// Reason of a bad status.
        error_message: Text => "errorMessage",
        /// When the account was limited.
        rate_limited_at: Date => "rateLimitedAt",
        /// Not to be judged by, see above.
        rate_limit_status: Unset => "rateLimitStatus",
        /// Whether the scheduler may choose it.
        schedulable: UnlessFalse => "schedulable",
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
        /// Whether the limit stopped scheduling.
        rate_limit_auto_stopped: Late<Flag> => "rateLimitAutoStopped",
        /// Last 529.
        overloaded_at: Late<Date> => "overloadedAt",
        /// `overloaded`.
        overload_status: Late<Unset> => "overloadStatus",
        /// When the account was blocked.
        blocked_at: Late<Date> => "blockedAt",
        /// Last 401.
        unauthorized_at: Late<Date> => "unauthorizedAt",
        /// How many 401 there were.
        unauthorized_count: Late<Whole<0>> => "unauthorizedCount",
        /// When scheduling stopped.
        auto_stopped_at: Late<Date> => "autoStoppedAt",
        /// Why.
        stopped_reason: Late<Unset> => "stoppedReason",
        /// Last edit.
        updated_at: Late<Date> => "updatedAt",
    }
}
