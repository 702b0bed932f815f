//! Keys: settings of the console, and marks of finished migrations.

use super::keys;

keys! {
    /// Relay switches of the console as JSON.
    const RELAY_CONFIG = "claude_relay_config";
    /// Price factors by service as JSON.
    const SERVICE_RATES = "system:service_rates";
    /// Upper bounds for quota cards as JSON.
    const QUOTA_CARD_LIMITS = "system:quota_card_limits";
    /// Webhook settings as JSON.
    const WEBHOOKS = "webhook_config:default";
    /// Name, icon and notice of the site as JSON.
    const SITE_SETTINGS = "oem:settings";
    /// Result of the last look for a new version as JSON.
    const VERSION_CHECK = "version_check_cache";
    /// Last version whose start-up migration ran.
    const MIGRATED_VERSION = "system:migrated:version";
    /// When the usage indexes were completed.
    const USAGE_INDEX_MIGRATED = "system:migration:usage_index_v2";
    /// When the totals by model were completed.
    const MODEL_TOTALS_MIGRATED = "system:migration:alltime_model_stats_v1";
    /// When the weekly costs were recomputed on a local day.
    fn weekly_cost_init_done(date) = "init:weekly_opus_cost:{date}:done";
}
