//! Claude accounts with OAuth or a setup token: `claude:account:{id}`.

use crate::record::{
    field::{
        Date, Flag, Late, LooseFlag, Maybe, MaybeAmount, MaybeObject, MaybeWhole, ProxyField,
        Seconds, Secret, Text, UnlessFalse, Unset, Whole,
    },
    layout::record,
};

record! {
    /// A Claude account (contract/redis.md §b). `expires_at` is the token's end in epoch milliseconds;
    /// `subscription_expires_at` is the plan's.
    pub struct ClaudeOfficial {
        /// Display name.
        name: Text => "name",
        /// Free text.
        description: Text => "description",
        /// Encrypted e-mail address.
        email: Secret => "email",
        /// Encrypted password; never used by the relay.
        password: Secret => "password",
        /// Encrypted JSON of the OAuth data the account was created with.
        claude_ai_oauth: Late<Secret> => "claudeAiOauth",
        /// Encrypted access token.
        access_token: Secret => "accessToken",
        /// Encrypted refresh token; empty for setup tokens.
        refresh_token: Secret => "refreshToken",
        /// End of the access token, epoch milliseconds.
        expires_at: MaybeWhole => "expiresAt",
        /// OAuth scopes, separated by spaces.
        scopes: Text => "scopes",
        /// Outbound proxy.
        proxy: ProxyField => "proxy",
        /// Whether the account may be used.
        is_active: Flag => "isActive",
        /// `shared`, `dedicated` or `group`; empty counts as shared.
        account_type: Text => "accountType",
        /// `claude`.
        platform: Text => "platform",
        /// Lower is served first.
        priority: Whole<50> => "priority",
        /// Creation time.
        created_at: Date => "createdAt",
        /// Last use.
        last_used_at: Date => "lastUsedAt",
        /// Last token refresh.
        last_refresh_at: Date => "lastRefreshAt",
        /// `created`, `active`, `error`, `unauthorized`, `blocked`, `temp_error`.
        status: Text => "status",
        /// Reason of a bad status.
        error_message: Text => "errorMessage",
        /// Whether the scheduler may choose it.
        schedulable: UnlessFalse => "schedulable",
        /// Whether a five-hour warning stops scheduling.
        auto_stop_on_warning: Flag => "autoStopOnWarning",
        /// Whether requests carry the unified User-Agent.
        use_unified_user_agent: Flag => "useUnifiedUserAgent",
        /// Whether requests carry the unified client id; missing in accounts entered by hand.
        use_unified_client_id: Maybe<Flag> => "useUnifiedClientId",
        /// That id.
        unified_client_id: Maybe<Text> => "unifiedClientId",
        /// Plan information, JSON.
        subscription_info: MaybeObject => "subscriptionInfo",
        /// End of the plan; unset is never.
        subscription_expires_at: Date => "subscriptionExpiresAt",
        /// `{org_uuid, account_uuid}`.
        ext_info: MaybeObject => "extInfo",
        /// Above 0: user messages go one after another.
        max_concurrency: Whole<0> => "maxConcurrency",
        /// Whether warm-up requests are answered here.
        intercept_warmup: Flag => "interceptWarmup",
        /// Whether upstream errors never cool the account down.
        disable_temp_unavailable: LooseFlag => "disableTempUnavailable",
        /// Cool-down after 503; unset follows the global setting.
        temp_unavailable_503_ttl: Seconds => "tempUnavailable503TtlSeconds",
        /// Cool-down after other 5xx; unset follows the global setting.
        temp_unavailable_5xx_ttl: Seconds => "tempUnavailable5xxTtlSeconds",
        /// Last edit.
        updated_at: Late<Date> => "updatedAt",
        /// Last profile query.
        profile_updated_at: Late<Date> => "profileUpdatedAt",
        /// Last request in the session window.
        last_request_time: Late<Date> => "lastRequestTime",
        /// Start of the five-hour session window.
        session_window_start: Late<Date> => "sessionWindowStart",
        /// Its end.
        session_window_end: Late<Date> => "sessionWindowEnd",
        /// `allowed`, `allowed_warning`, `rejected`.
        session_window_status: Late<Unset> => "sessionWindowStatus",
        /// When that was seen.
        session_window_status_updated_at: Late<Date> => "sessionWindowStatusUpdatedAt",
        /// When the account was limited.
        rate_limited_at: Late<Date> => "rateLimitedAt",
        /// `limited`.
        rate_limit_status: Late<Unset> => "rateLimitStatus",
        /// When the limit ends.
        rate_limit_end_at: Late<Date> => "rateLimitEndAt",
        /// Whether the limit stopped scheduling.
        rate_limit_auto_stopped: Late<Flag> => "rateLimitAutoStopped",
        /// Whether the five-hour warning stopped scheduling.
        five_hour_auto_stopped: Late<Flag> => "fiveHourAutoStopped",
        /// When.
        five_hour_stopped_at: Late<Date> => "fiveHourStoppedAt",
        /// Window of the last warning.
        five_hour_warning_window: Late<Unset> => "fiveHourWarningWindow",
        /// Warnings sent in it.
        five_hour_warning_count: Late<Whole<0>> => "fiveHourWarningCount",
        /// Last of them.
        five_hour_warning_last_sent_at: Late<Date> => "fiveHourWarningLastSentAt",
        /// Why scheduling stopped.
        stopped_reason: Late<Unset> => "stoppedReason",
        /// When.
        auto_stopped_at: Late<Date> => "autoStoppedAt",
        /// When the status became `temp_error`.
        temp_error_at: Late<Date> => "tempErrorAt",
        /// Whether that stopped scheduling.
        temp_error_auto_stopped: Late<Flag> => "tempErrorAutoStopped",
        /// When the status became `unauthorized`.
        unauthorized_at: Late<Date> => "unauthorizedAt",
        /// When the status became `blocked`.
        blocked_at: Late<Date> => "blockedAt",
        /// Last 529.
        last_overload_at: Late<Date> => "lastOverloadAt",
        /// Opus limit: since.
        opus_rate_limited_at: Late<Date> => "opusRateLimitedAt",
        /// Opus limit: until.
        opus_rate_limit_end_at: Late<Date> => "opusRateLimitEndAt",
        /// Sonnet limit: since.
        sonnet_rate_limited_at: Late<Date> => "sonnetRateLimitedAt",
        /// Sonnet limit: until.
        sonnet_rate_limit_end_at: Late<Date> => "sonnetRateLimitEndAt",
        /// Haiku limit: since.
        haiku_rate_limited_at: Late<Date> => "haikuRateLimitedAt",
        /// Haiku limit: until.
        haiku_rate_limit_end_at: Late<Date> => "haikuRateLimitEndAt",
        /// Fable limit: since.
        fable_rate_limited_at: Late<Date> => "fableRateLimitedAt",
        /// Fable limit: until.
        fable_rate_limit_end_at: Late<Date> => "fableRateLimitEndAt",
        /// Share of the five-hour allowance used, percent.
        five_hour_utilization: Late<MaybeAmount> => "claudeFiveHourUtilization",
        /// When it starts over.
        five_hour_resets_at: Late<Date> => "claudeFiveHourResetsAt",
        /// Share of the seven-day allowance used, percent.
        seven_day_utilization: Late<MaybeAmount> => "claudeSevenDayUtilization",
        /// When it starts over.
        seven_day_resets_at: Late<Date> => "claudeSevenDayResetsAt",
        /// Share of the seven-day Sonnet allowance (named Opus for history), percent.
        seven_day_opus_utilization: Late<MaybeAmount> => "claudeSevenDayOpusUtilization",
        /// When it starts over.
        seven_day_opus_resets_at: Late<Date> => "claudeSevenDayOpusResetsAt",
        /// When the shares were read.
        usage_updated_at: Late<Date> => "claudeUsageUpdatedAt",
    }
}

impl ClaudeOfficial {
    /// When the limit of a model family (`opus`, `sonnet`, `haiku`, `fable`) was set, and when it ends.
    pub fn model_limit(&self, family: &str) -> (Option<&str>, Option<&str>) {
        let (since, until) = match family {
            "opus" => (&self.opus_rate_limited_at, &self.opus_rate_limit_end_at),
            "sonnet" => (&self.sonnet_rate_limited_at, &self.sonnet_rate_limit_end_at),
            "haiku" => (&self.haiku_rate_limited_at, &self.haiku_rate_limit_end_at),
            "fable" => (&self.fable_rate_limited_at, &self.fable_rate_limit_end_at),
            _ => return (None, None),
        };
        (since.as_deref(), until.as_deref())
    }
}
