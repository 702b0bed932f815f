//! Azure `OpenAI` accounts: `azure_openai:account:{id}`.

use crate::record::{
    field::{Date, Flag, Late, ProxyField, Secret, Text, Texts, Unset, Whole},
    layout::record,
};

record! {
    /// An Azure `OpenAI` account (contract/redis.md §b). Unlike elsewhere, higher priority is served first
    /// and only exactly `true` is schedulable.
    pub struct AzureOpenAi {
        /// Display name.
        name: Text => "name",
        /// Free text.
        description: Text => "description",
        /// `shared`, `dedicated` or `group`; empty counts as shared.
        account_type: Text => "accountType",
        /// Not used.
        group_id: Unset => "groupId",
        /// Higher is served first.
        priority: Whole<50> => "priority",
        /// Resource URL.
        azure_endpoint: Text => "azureEndpoint",
        /// API version.
        api_version: Text => "apiVersion",
        /// Deployment.
        deployment_name: Text => "deploymentName",
        /// Encrypted API key.
        api_key: Secret => "apiKey",
        /// Models served.
        supported_models: Texts => "supportedModels",
        /// End of the plan; unset is never.
        subscription_expires_at: Date => "subscriptionExpiresAt",
        /// Whether the account may be used.
        is_active: Flag => "isActive",
        /// `active` or an error state.
        status: Text => "status",
        /// Whether the scheduler may choose it.
        schedulable: Flag => "schedulable",
        /// Whether upstream errors never disable the account.
        disable_auto_protection: Flag => "disableAutoProtection",
        /// Creation time.
        created_at: Date => "createdAt",
        /// Last edit.
        updated_at: Date => "updatedAt",
        /// Outbound proxy; stored only when set.
        proxy: Late<ProxyField> => "proxy",
        /// Tokens used.
        total_tokens_used: Late<Whole<0>> => "totalTokensUsed",
        /// Last use.
        last_used_at: Late<Date> => "lastUsedAt",
        /// Reason of a bad status.
        error_message: Late<Text> => "errorMessage",
        /// When the account was limited.
        rate_limited_at: Late<Date> => "rateLimitedAt",
        /// `limited` or unset.
        rate_limit_status: Late<Unset> => "rateLimitStatus",
    }
}
