//! ChatGPT accounts (Codex): `openai:account:{id}`.

use crate::record::{
    field::{
        Date, Flag, Late, MaybeAmount, ProxyField, Secret, Text, UnlessFalse, Unset, Whole,
        WholeOrZero,
    },
    layout::record,
};

record! {
    /// A ChatGPT account (contract/redis.md §b). `expires_at` is the token's end as ISO text.
    pub struct OpenAi {
        /// Display name.
        name: Text => "name",
        /// Free text.
        description: Text => "description",
        /// `shared`, `dedicated` or `group`; empty counts as shared.
        account_type: Text => "accountType",
        /// Not used.
        group_id: Unset => "groupId",
        /// Lower is served first.
        priority: Whole<50> => "priority",
        /// Minutes a limit lasts.
        rate_limit_duration: WholeOrZero<60> => "rateLimitDuration",
        /// Encrypted id token.
        id_token: Secret => "idToken",
        /// Encrypted access token.
        access_token: Secret => "accessToken",
        /// Encrypted refresh token.
        refresh_token: Secret => "refreshToken",
        /// Encrypted JSON of the OAuth data.
        openai_oauth: Secret => "openaiOauth",
        /// ChatGPT account id, sent upstream.
        account_id: Text => "accountId",
        /// ChatGPT user id.
        chatgpt_user_id: Text => "chatgptUserId",
        /// Organisation id.
        organization_id: Text => "organizationId",
        /// Role in it.
        organization_role: Text => "organizationRole",
        /// Its title.
        organization_title: Text => "organizationTitle",
        /// Plan, e.g. `plus`.
        plan_type: Text => "planType",
        /// Encrypted e-mail address.
        email: Secret => "email",
        /// Whether it was verified.
        email_verified: Flag => "emailVerified",
        /// End of the access token.
        expires_at: Date => "expiresAt",
        /// End of the plan; unset is never.
        subscription_expires_at: Date => "subscriptionExpiresAt",
        /// Whether the account may be used.
        is_active: Flag => "isActive",
        /// `active`, `error`, `unauthorized`, `rateLimited`.
        status: Text => "status",
        /// Whether the scheduler may choose it.
        schedulable: UnlessFalse => "schedulable",
        /// Whether upstream errors never disable the account.
        disable_auto_protection: Flag => "disableAutoProtection",
        /// Last token refresh.
        last_refresh: Date => "lastRefresh",
        /// Creation time.
        created_at: Date => "createdAt",
        /// Last edit.
        updated_at: Date => "updatedAt",
        /// Outbound proxy; stored only when set.
        proxy: Late<ProxyField> => "proxy",
        /// `limited` or `normal`.
        rate_limit_status: Late<Unset> => "rateLimitStatus",
        /// When the account was limited.
        rate_limited_at: Late<Date> => "rateLimitedAt",
        /// When the limit ends.
        rate_limit_reset_at: Late<Date> => "rateLimitResetAt",
        /// Reason of a bad status.
        error_message: Late<Text> => "errorMessage",
        /// Last 401.
        unauthorized_at: Late<Date> => "unauthorizedAt",
        /// How many 401 there were.
        unauthorized_count: Late<Whole<0>> => "unauthorizedCount",
        /// Last use.
        last_used_at: Late<Date> => "lastUsedAt",
        /// Tokens used.
        total_usage: Late<Whole<0>> => "totalUsage",
        /// OAuth scopes.
        scopes: Late<Text> => "scopes",
        /// Share of the primary window used.
        codex_primary_used_percent: Late<MaybeAmount> => "codexPrimaryUsedPercent",
        /// Seconds until it starts over.
        codex_primary_reset_after_seconds: Late<MaybeAmount> => "codexPrimaryResetAfterSeconds",
        /// Its length.
        codex_primary_window_minutes: Late<MaybeAmount> => "codexPrimaryWindowMinutes",
        /// Share of the secondary window used.
        codex_secondary_used_percent: Late<MaybeAmount> => "codexSecondaryUsedPercent",
        /// Seconds until it starts over.
        codex_secondary_reset_after_seconds: Late<MaybeAmount> => "codexSecondaryResetAfterSeconds",
        /// Its length.
        codex_secondary_window_minutes: Late<MaybeAmount> => "codexSecondaryWindowMinutes",
        /// Primary limit as a share of the secondary.
        codex_primary_over_secondary_percent: Late<MaybeAmount> => "codexPrimaryOverSecondaryLimitPercent",
        /// When these were seen.
        codex_usage_updated_at: Late<Date> => "codexUsageUpdatedAt",
    }
}
