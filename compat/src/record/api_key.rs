//! The API-key record `apikey:{id}`.

use super::{
    field::{
        Amount, Date, Flag, Granted, Late, List, MaybeWhole, ObjectText, Text, Texts,
        TrueWhenUnset, Unset, Whole, WholeOrZero,
    },
    layout::record,
};
use crate::keys::AccountKind;

record! {
    /// An API key (contract/redis.md §a). Limits of 0 do not limit.
    pub struct ApiKey {
        /// Display name.
        name: Text => "name",
        /// Free text.
        description: Text => "description",
        /// Data URL of an icon, or empty.
        icon: Text => "icon",
        /// Lookup hash of the key; the plain key is stored nowhere.
        hash: Text => "apiKey",
        /// Tokens per rate window; old, replaced by cost. Unset does not limit, but shows as no number.
        token_limit: MaybeWhole => "tokenLimit",
        /// Requests at once.
        concurrency_limit: Whole<0> => "concurrencyLimit",
        /// Length of the rate window in minutes.
        rate_limit_window: Whole<0> => "rateLimitWindow",
        /// Requests per rate window.
        rate_limit_requests: Whole<0> => "rateLimitRequests",
        /// Rated cost per rate window, USD.
        rate_limit_cost: Amount => "rateLimitCost",
        /// Rated cost per local day, USD.
        daily_cost_limit: Amount => "dailyCostLimit",
        /// Rated cost over the key's life, USD.
        total_cost_limit: Amount => "totalCostLimit",
        /// Rated cost of Claude models per week of the key, USD.
        weekly_opus_cost_limit: Amount => "weeklyOpusCostLimit",
        /// Whether the key works at all.
        is_active: Flag => "isActive",
        /// Claude account, or `group:{id}`.
        claude_account_id: Unset => "claudeAccountId",
        /// Claude console account.
        claude_console_account_id: Unset => "claudeConsoleAccountId",
        /// Gemini account, `group:{id}`, or `api:{id}` of an API-key account.
        gemini_account_id: Unset => "geminiAccountId",
        /// `OpenAI` account, `group:{id}`, or `responses:{id}`.
        openai_account_id: Unset => "openaiAccountId",
        /// Azure `OpenAI` account.
        azure_openai_account_id: Unset => "azureOpenaiAccountId",
        /// Bedrock account.
        bedrock_account_id: Unset => "bedrockAccountId",
        /// Droid account, or `group:{id}`.
        droid_account_id: Unset => "droidAccountId",
        /// CCR account; only found in old records.
        ccr_account_id: Late<Unset> => "ccrAccountId",
        /// Services the key may use.
        permissions: Granted => "permissions",
        /// Whether `restricted_models` counts.
        enable_model_restriction: Flag => "enableModelRestriction",
        /// Models the key may not use.
        restricted_models: Texts => "restrictedModels",
        /// Whether `allowed_clients` counts.
        enable_client_restriction: Flag => "enableClientRestriction",
        /// Ids of the clients the key may be used with.
        allowed_clients: Texts => "allowedClients",
        /// Tags.
        tags: Texts => "tags",
        /// Price factors by service, as stored JSON.
        service_rates: ObjectText => "serviceRates",
        /// Life after activation, in `activation_unit`; 0 counts as unset except for activation itself,
        /// see [`ApiKey::activation_period_ms`].
        activation_days: ActivationDays => "activationDays",
        /// `days` or `hours`.
        activation_unit: Text => "activationUnit",
        /// `fixed` or `activation`.
        expiration_mode: Text => "expirationMode",
        /// Whether the first use has happened (or the mode is fixed).
        is_activated: Flag => "isActivated",
        /// When.
        activated_at: Date => "activatedAt",
        /// Creation time.
        created_at: Date => "createdAt",
        /// Last recorded use.
        last_used_at: Date => "lastUsedAt",
        /// End of life; unset is never.
        expires_at: Date => "expiresAt",
        /// `admin` or a user.
        created_by: Text => "createdBy",
        /// Owning user.
        user_id: Unset => "userId",
        /// The owner's name.
        user_username: Unset => "userUsername",
        /// Day on which the key's week starts, 1 Monday to 7 Sunday.
        weekly_reset_day: WholeOrZero<1> => "weeklyResetDay",
        /// Local hour at which the key's week starts.
        weekly_reset_hour: WholeOrZero<0> => "weeklyResetHour",
        /// Whether Responses requests are adapted for Codex.
        enable_codex_adaptation: TrueWhenUnset => "enableOpenAIResponsesCodexAdaptation",
        /// Whether `payload_rules` counts.
        enable_payload_rules: Flag => "enableOpenAIResponsesPayloadRules",
        /// Rules `{path, valueType, value}` for Responses bodies, as stored.
        payload_rules: List => "openaiResponsesPayloadRules",
        /// Last edit.
        updated_at: Late<Date> => "updatedAt",
        /// Whether the key was deleted and can be restored.
        is_deleted: Late<Flag> => "isDeleted",
        /// When it was deleted.
        deleted_at: Late<Date> => "deletedAt",
        /// By whom.
        deleted_by: Late<Unset> => "deletedBy",
        /// `user`, `admin` or `system`.
        deleted_by_type: Late<Unset> => "deletedByType",
        /// When it was restored.
        restored_at: Late<Date> => "restoredAt",
        /// By whom.
        restored_by: Late<Unset> => "restoredBy",
        /// `user`, `admin` or `system`.
        restored_by_type: Late<Unset> => "restoredByType",
    }
}

/// `None` when missing or empty, which is not the same as 0 here.
type ActivationDays = MaybeWhole;

/// What an account field of a key points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding<'a> {
    /// One account.
    Account(AccountKind, &'a str),
    /// An account group.
    Group(&'a str),
}

impl ApiKey {
    /// The account fields that are set, by stored name, with their prefixes read.
    pub fn bindings(&self) -> Vec<(&'static str, Binding<'_>)> {
        use AccountKind as Kind;
        let plain = |kind: Kind| (kind, None);
        let fields = [
            ("claudeAccountId", &self.claude_account_id, plain(Kind::ClaudeOfficial)),
            ("claudeConsoleAccountId", &self.claude_console_account_id, plain(Kind::ClaudeConsole)),
            (
                "geminiAccountId",
                &self.gemini_account_id,
                (Kind::Gemini, Some(("api:", Kind::GeminiApi))),
            ),
            (
                "openaiAccountId",
                &self.openai_account_id,
                (Kind::OpenAi, Some(("responses:", Kind::OpenAiResponses))),
            ),
            ("azureOpenaiAccountId", &self.azure_openai_account_id, plain(Kind::AzureOpenAi)),
            ("bedrockAccountId", &self.bedrock_account_id, plain(Kind::Bedrock)),
            ("droidAccountId", &self.droid_account_id, plain(Kind::Droid)),
            ("ccrAccountId", &self.ccr_account_id, plain(Kind::Ccr)),
        ];
        let read = |text, (kind, prefixed): (Kind, Option<(&str, Kind)>)| {
            let group = str::strip_prefix(text, "group:").map(Binding::Group);
            let other = || {
                let (prefix, kind) = prefixed?;
                Some(Binding::Account(kind, str::strip_prefix(text, prefix)?))
            };
            group.or_else(other).unwrap_or(Binding::Account(kind, text))
        };
        let set = fields
            .into_iter()
            .filter_map(|(name, text, kinds)| Some((name, read(text.as_deref()?, kinds))));
        set.collect()
    }

    /// Whether the next use activates the key.
    pub fn awaits_activation(&self) -> bool {
        self.expiration_mode == "activation" && !self.is_activated
    }

    /// Life after activation in milliseconds; 30 units when unset.
    pub fn activation_period_ms(&self) -> i64 {
        let hour_ms = 3_600_000;
        let unit = if self.activation_unit == "hours" { hour_ms } else { 24 * hour_ms };
        self.activation_days.unwrap_or(30).saturating_mul(unit)
    }
}
