//! How the shipped `config.js` turns environment variables into settings, as data.

use compat::number::{parse_float, parse_int};
use serde_json::{Value, json};

/// One setting of the shipped file.
pub(super) struct Row {
    /// Place in the configuration object.
    pub(super) path: &'static str,
    /// Environment variable.
    pub(super) name: &'static str,
    /// From text to value.
    pub(super) rule: Rule,
}

/// How a text becomes a value.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    /// Leading whole number; 0 and unreadable give the default.
    Whole(i64),
    /// Leading number; 0 and unreadable give the default.
    Number(f64),
    /// Text; empty gives the default.
    Text(&'static str),
    /// Text without default.
    MaybeText,
    /// Exactly `true`.
    IsTrue,
    /// Not exactly `false`.
    NotFalse,
    /// Exactly `1`.
    IsOne,
    /// Not exactly `1`.
    NotOne,
    /// Whole number of at least this, else unset.
    AtLeast(i64),
    /// Minutes, 0 to 1440.
    Minutes,
    /// Comma list; unset gives the default.
    List(&'static [&'static str]),
}

const fn row(path: &'static str, name: &'static str, rule: Rule) -> Row {
    Row { path, name, rule }
}

/// Everything the shipped file takes from the environment.
pub(super) const ROWS: &[Row] = {
    use Rule::{
        AtLeast, IsOne, IsTrue, List, MaybeText, Minutes, NotFalse, NotOne, Number, Text, Whole,
    };
    &[
        row("server.port", "PORT", Whole(3000)),
        row("server.host", "HOST", Text("0.0.0.0")),
        row("server.nodeEnv", "NODE_ENV", Text("development")),
        row("server.trustProxy", "TRUST_PROXY", IsTrue),
        row("security.jwtSecret", "JWT_SECRET", Text("CHANGE-THIS-JWT-SECRET-IN-PRODUCTION")),
        row("security.adminSessionTimeout", "ADMIN_SESSION_TIMEOUT", Whole(86_400_000)),
        row("security.apiKeyPrefix", "API_KEY_PREFIX", Text("cr_")),
        row("security.azureOpenaiSalt", "CRS_AZURE_OPENAI_SALT", MaybeText),
        row("security.encryptionKey", "ENCRYPTION_KEY", Text("CHANGE-THIS-32-CHARACTER-KEY-NOW")),
        row("redis.host", "REDIS_HOST", Text("127.0.0.1")),
        row("redis.port", "REDIS_PORT", Whole(6379)),
        row("redis.password", "REDIS_PASSWORD", Text("")),
        row("redis.db", "REDIS_DB", Whole(0)),
        row("redis.enableTLS", "REDIS_ENABLE_TLS", IsTrue),
        row("session.stickyTtlHours", "STICKY_SESSION_TTL_HOURS", Number(1.0)),
        row(
            "session.renewalThresholdMinutes",
            "STICKY_SESSION_RENEWAL_THRESHOLD_MINUTES",
            Whole(0),
        ),
        row("claude.apiUrl", "CLAUDE_API_URL", Text("https://api.anthropic.com/v1/messages")),
        row("claude.apiVersion", "CLAUDE_API_VERSION", Text("2023-06-01")),
        row("claude.dedicatedAccountFallback", "CLAUDE_DEDICATED_ACCOUNT_FALLBACK", IsTrue),
        row(
            "claude.betaHeader",
            "CLAUDE_BETA_HEADER",
            Text(
                "claude-code-20250219,oauth-2025-04-20,interleaved-thinking-2025-05-14,fine-grained-tool-streaming-2025-05-14",
            ),
        ),
        row("claude.overloadHandling.enabled", "CLAUDE_OVERLOAD_HANDLING_MINUTES", Minutes),
        row(
            "claude.fiveHourWarning.maxNotificationsPerWindow",
            "CLAUDE_5H_WARNING_MAX_NOTIFICATIONS",
            Whole(1),
        ),
        row("bedrock.enabled", "CLAUDE_CODE_USE_BEDROCK", IsOne),
        row("bedrock.defaultRegion", "AWS_REGION", Text("us-east-1")),
        row("bedrock.smallFastModelRegion", "ANTHROPIC_SMALL_FAST_MODEL_AWS_REGION", MaybeText),
        row(
            "bedrock.defaultModel",
            "ANTHROPIC_MODEL",
            Text("us.anthropic.claude-sonnet-4-20250514-v1:0"),
        ),
        row(
            "bedrock.smallFastModel",
            "ANTHROPIC_SMALL_FAST_MODEL",
            Text("us.anthropic.claude-3-5-haiku-20241022-v1:0"),
        ),
        row("bedrock.maxOutputTokens", "CLAUDE_CODE_MAX_OUTPUT_TOKENS", Whole(4096)),
        row("bedrock.maxThinkingTokens", "MAX_THINKING_TOKENS", Whole(1024)),
        row("bedrock.enablePromptCaching", "DISABLE_PROMPT_CACHING", NotOne),
        row("proxy.timeout", "DEFAULT_PROXY_TIMEOUT", Whole(600_000)),
        row("proxy.maxRetries", "MAX_PROXY_RETRIES", Whole(3)),
        row("proxy.keepAlive", "PROXY_KEEP_ALIVE", IsTrue),
        row("proxy.maxSockets", "PROXY_MAX_SOCKETS", AtLeast(1)),
        row("proxy.maxFreeSockets", "PROXY_MAX_FREE_SOCKETS", AtLeast(0)),
        row("proxy.useIPv4", "PROXY_USE_IPV4", NotFalse),
        row("requestTimeout", "REQUEST_TIMEOUT", Whole(600_000)),
        row("limits.defaultTokenLimit", "DEFAULT_TOKEN_LIMIT", Whole(1_000_000)),
        row("logging.level", "LOG_LEVEL", Text("info")),
        row("logging.maxSize", "LOG_MAX_SIZE", Text("10m")),
        row("logging.maxFiles", "LOG_MAX_FILES", Whole(5)),
        row("system.cleanupInterval", "CLEANUP_INTERVAL", Whole(3_600_000)),
        row("system.tokenUsageRetention", "TOKEN_USAGE_RETENTION", Whole(2_592_000_000)),
        row("system.healthCheckInterval", "HEALTH_CHECK_INTERVAL", Whole(60_000)),
        row("system.timezone", "SYSTEM_TIMEZONE", Text("Asia/Shanghai")),
        row("system.timezoneOffset", "TIMEZONE_OFFSET", Whole(8)),
        row("system.metricsWindow", "METRICS_WINDOW", Whole(5)),
        row("web.title", "WEB_TITLE", Text("Claude Relay Service")),
        row(
            "web.description",
            "WEB_DESCRIPTION",
            Text("Multi-account Claude API relay service with beautiful management interface"),
        ),
        row("web.logoUrl", "WEB_LOGO_URL", Text("/assets/logo.png")),
        row("web.enableCors", "ENABLE_CORS", IsTrue),
        row("web.sessionSecret", "WEB_SESSION_SECRET", Text("CHANGE-THIS-SESSION-SECRET")),
        row("ldap.enabled", "LDAP_ENABLED", IsTrue),
        row("ldap.server.url", "LDAP_URL", Text("ldap://localhost:389")),
        row("ldap.server.bindDN", "LDAP_BIND_DN", Text("cn=admin,dc=example,dc=com")),
        row("ldap.server.bindCredentials", "LDAP_BIND_PASSWORD", Text("admin")),
        row("ldap.server.searchBase", "LDAP_SEARCH_BASE", Text("dc=example,dc=com")),
        row("ldap.server.searchFilter", "LDAP_SEARCH_FILTER", Text("(uid={{username}})")),
        row(
            "ldap.server.searchAttributes",
            "LDAP_SEARCH_ATTRIBUTES",
            List(&["dn", "uid", "cn", "mail", "givenName", "sn"]),
        ),
        row("ldap.server.timeout", "LDAP_TIMEOUT", Whole(5000)),
        row("ldap.server.connectTimeout", "LDAP_CONNECT_TIMEOUT", Whole(10_000)),
        row("ldap.server.tls.rejectUnauthorized", "LDAP_TLS_REJECT_UNAUTHORIZED", NotFalse),
        row("ldap.server.tls.servername", "LDAP_TLS_SERVERNAME", MaybeText),
        row("ldap.userMapping.username", "LDAP_USER_ATTR_USERNAME", Text("uid")),
        row("ldap.userMapping.displayName", "LDAP_USER_ATTR_DISPLAY_NAME", Text("cn")),
        row("ldap.userMapping.email", "LDAP_USER_ATTR_EMAIL", Text("mail")),
        row("ldap.userMapping.firstName", "LDAP_USER_ATTR_FIRST_NAME", Text("givenName")),
        row("ldap.userMapping.lastName", "LDAP_USER_ATTR_LAST_NAME", Text("sn")),
        row("userManagement.enabled", "USER_MANAGEMENT_ENABLED", IsTrue),
        row("userManagement.defaultUserRole", "DEFAULT_USER_ROLE", Text("user")),
        row("userManagement.userSessionTimeout", "USER_SESSION_TIMEOUT", Whole(86_400_000)),
        row("userManagement.maxApiKeysPerUser", "MAX_API_KEYS_PER_USER", Whole(1)),
        row("userManagement.allowUserDeleteApiKeys", "ALLOW_USER_DELETE_API_KEYS", IsTrue),
        row("webhook.enabled", "WEBHOOK_ENABLED", NotFalse),
        row("webhook.urls", "WEBHOOK_URLS", List(&[])),
        row("webhook.timeout", "WEBHOOK_TIMEOUT", Whole(10_000)),
        row("webhook.retries", "WEBHOOK_RETRIES", Whole(3)),
        row("development.debug", "DEBUG", IsTrue),
        row("development.hotReload", "HOT_RELOAD", IsTrue),
        row("accountBalance.enableBalanceScript", "BALANCE_SCRIPT_ENABLED", NotFalse),
        row("userMessageQueue.enabled", "USER_MESSAGE_QUEUE_ENABLED", IsTrue),
        row("userMessageQueue.delayMs", "USER_MESSAGE_QUEUE_DELAY_MS", Whole(200)),
        row("userMessageQueue.timeoutMs", "USER_MESSAGE_QUEUE_TIMEOUT_MS", Whole(5000)),
        row("userMessageQueue.lockTtlMs", "USER_MESSAGE_QUEUE_LOCK_TTL_MS", Whole(5000)),
        row("quotaCardLimits.enabled", "QUOTA_CARD_LIMITS_ENABLED", NotFalse),
        row("quotaCardLimits.maxExpiryDays", "QUOTA_CARD_MAX_EXPIRY_DAYS", Whole(90)),
        row("quotaCardLimits.maxTotalCostLimit", "QUOTA_CARD_MAX_TOTAL_COST_LIMIT", Number(1000.0)),
        row(
            "upstreamError.serviceUnavailableTtlSeconds",
            "UPSTREAM_ERROR_503_TTL_SECONDS",
            Whole(60),
        ),
        row("upstreamError.serverErrorTtlSeconds", "UPSTREAM_ERROR_5XX_TTL_SECONDS", Whole(300)),
        row("upstreamError.overloadTtlSeconds", "UPSTREAM_ERROR_OVERLOAD_TTL_SECONDS", Whole(600)),
        row("upstreamError.authErrorTtlSeconds", "UPSTREAM_ERROR_AUTH_TTL_SECONDS", Whole(1800)),
        row("upstreamError.timeoutTtlSeconds", "UPSTREAM_ERROR_TIMEOUT_TTL_SECONDS", Whole(300)),
        row(
            "upstreamError.maxCustomTtlSeconds",
            "UPSTREAM_ERROR_MAX_CUSTOM_TTL_SECONDS",
            Whole(1800),
        ),
    ]
};

/// Constants of the shipped file, and settings that only an edited file has: no variable sets them.
/// Path (a trailing dot means everything below), the value crs behaves by, why it stays.
pub(super) const FIXED: &[(&str, Option<f64>, &str)] = &[
    ("redis.connectTimeout", Some(10_000.0), "crs waits CRS_REDIS_TIMEOUT_MS per call"),
    ("redis.commandTimeout", Some(5000.0), "crs waits CRS_REDIS_TIMEOUT_MS per call"),
    ("redis.retryDelayOnFailover", Some(100.0), "crs reconnects by its own rule"),
    ("redis.maxRetriesPerRequest", Some(3.0), "crs repeats by its own rule"),
    ("concurrency.leaseSeconds", Some(300.0), "crs keeps leases as the unedited service does"),
    ("concurrency.renewIntervalSeconds", Some(30.0), "crs renews as the unedited service does"),
    ("concurrency.cleanupGraceSeconds", Some(30.0), "crs cleans up as the unedited service does"),
    ("claude.systemPrompt", None, "crs adds no system prompt of its own"),
    ("overloadHandling.", None, "crs follows the shipped layout, where this has no effect"),
    ("accountTestScheduler.", None, "crs has no switch for account tests"),
    ("system.rateLimitCleanupInterval", Some(5.0), "crs has no setting for it"),
    ("features.balanceScriptEnabled", None, "crs runs no balance scripts"),
    ("security.enableBalanceScript", None, "crs runs no balance scripts"),
    ("droid.", None, "crs uses the built-in Droid login"),
    ("ldap.server.tls.ca", None, "crs takes trust roots from SSL_CERT_FILE"),
    ("ldap.server.tls.cert", None, "crs has no client certificates for LDAP"),
    ("ldap.server.tls.key", None, "crs has no client certificates for LDAP"),
];

impl Rule {
    /// The value of a variable; `null` when unset.
    pub(super) fn value(self, text: Option<&str>) -> Value {
        let text = text.unwrap_or_default();
        match self {
            Self::Whole(default) => {
                json!(parse_int(text).filter(|value| *value != 0).unwrap_or(default))
            }
            Self::Number(default) => {
                json!(parse_float(text).filter(|value| *value != 0.0).unwrap_or(default))
            }
            Self::Text(default) => json!(if text.is_empty() { default } else { text }),
            Self::MaybeText => {
                if text.is_empty() {
                    Value::Null
                } else {
                    json!(text)
                }
            }
            Self::IsTrue => json!(text == "true"),
            Self::NotFalse => json!(text != "false"),
            Self::IsOne => json!(text == "1"),
            Self::NotOne => json!(text != "1"),
            Self::AtLeast(least) => match parse_int(text).filter(|value| *value >= least) {
                Some(value) => json!(value),
                None => Value::Null,
            },
            Self::Minutes => json!(parse_int(text).unwrap_or(0).clamp(0, 1440)),
            Self::List(default) if text.is_empty() => json!(default),
            Self::List(_) => json!(text.split(',').map(str::trim).collect::<Vec<_>>()),
        }
    }

    /// The text that gives `value`, when there is one.
    pub(super) fn text_for(self, value: &Value) -> Option<String> {
        let text = match (self, value) {
            (Self::IsOne, Value::Bool(yes)) => if *yes { "1" } else { "" }.to_owned(),
            (Self::NotOne, Value::Bool(yes)) => if *yes { "" } else { "1" }.to_owned(),
            (_, Value::Null) => String::new(),
            (_, Value::String(text)) => text.clone(),
            (_, Value::Array(items)) => {
                items.iter().map(Value::as_str).collect::<Option<Vec<_>>>()?.join(",")
            }
            (_, other) => other.to_string(),
        };
        same(&self.value(Some(&text)), value).then_some(text)
    }
}

/// Whether two values are the same setting; numbers compare by value.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() <= f64::EPSILON * a.abs().max(b.abs()),
        _ => a == b,
    }
}
