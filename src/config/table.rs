//! The settings table: what operators read, checked by a test against what the code asks for.

use std::fmt::Write;

/// Standing of one setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A legacy setting that is honoured.
    Legacy,
    /// A setting of this service alone.
    Own,
    /// Honoured by convention beyond both services (trust roots, time zone).
    Common,
    /// A legacy setting read without effect there or here.
    Dead,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Variable.
    pub name: &'static str,
    /// Default as text; empty for none.
    pub default: &'static str,
    /// What it does, for operators.
    pub meaning: &'static str,
    /// Standing.
    pub standing: Standing,
}

const fn legacy(name: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting { name, default, meaning, standing: Standing::Legacy }
}

const fn own(name: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting { name, default, meaning, standing: Standing::Own }
}

const fn common(name: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting { name, default, meaning, standing: Standing::Common }
}

const fn dead(name: &'static str, default: &'static str, meaning: &'static str) -> Setting {
    Setting { name, default, meaning, standing: Standing::Dead }
}

/// Every setting, in the order shown to operators.
pub const SETTINGS: &[Setting] = &[
    legacy("PORT", "3000", "Port to listen on."),
    legacy("HOST", "0.0.0.0", "Address to listen on."),
    legacy("NODE_ENV", "", "`development` adds the raw message, URL and method to error bodies."),
    legacy("TRUST_PROXY", "false", "`true`: the client address is the last `X-Forwarded-For` hop."),
    legacy("ENABLE_CORS", "false", "`true`: permissive CORS instead of the built-in rules."),
    legacy("APP_VERSION", "", "Version that `/health` reports."),
    legacy("VERSION", "file `VERSION`, else 1.1.314", "The same, when `APP_VERSION` is not set."),
    legacy("REDIS_HOST", "127.0.0.1", "Redis host."),
    legacy("REDIS_PORT", "6379", "Redis port."),
    legacy("REDIS_PASSWORD", "", "Redis password."),
    legacy("REDIS_DB", "0", "Redis database number."),
    legacy("REDIS_ENABLE_TLS", "false", "`true`: Redis over TLS."),
    legacy("API_KEY_PREFIX", "cr_", "What every client key starts with."),
    legacy(
        "ENCRYPTION_KEY",
        "a public placeholder",
        "Hashes client keys and encrypts stored credentials. Never change it on existing data.",
    ),
    legacy("JWT_SECRET", "", "Used by nothing; the legacy container refuses to start without it."),
    legacy(
        "ADMIN_SESSION_TIMEOUT",
        "86400000",
        "Life of an administrator's session (milliseconds that Redis takes as seconds).",
    ),
    legacy("CLAUDE_API_VERSION", "2023-06-01", "`anthropic-version` sent upstream."),
    legacy(
        "CLAUDE_DEDICATED_ACCOUNT_FALLBACK",
        "false",
        "`true`: a key whose own account is unusable falls back to the pool.",
    ),
    legacy(
        "CLAUDE_OVERLOAD_HANDLING_MINUTES",
        "0",
        "0 to 1440. Without effect on accounts, as in the legacy service.",
    ),
    legacy(
        "CLAUDE_CONSOLE_BLOCKED_HANDLING_MINUTES",
        "0",
        "How long a console account is put aside after a 400 saying that it is blocked; 0 = off.",
    ),
    legacy("CLAUDE_5H_WARNING_MAX_NOTIFICATIONS", "1", "Warnings per five-hour window, 1 to 10."),
    legacy("REQUEST_TIMEOUT", "600000", "Longest silence of an upstream, in milliseconds."),
    legacy("AWS_REGION", "us-east-1", "Region of Bedrock accounts that name none."),
    legacy("ANTHROPIC_SMALL_FAST_MODEL_AWS_REGION", "`AWS_REGION`", "The same for Haiku models."),
    legacy(
        "ANTHROPIC_MODEL",
        "us.anthropic.claude-sonnet-4-20250514-v1:0",
        "Model for Bedrock when neither the account nor the request names one.",
    ),
    legacy(
        "BEDROCK_MAX_OUTPUT_TOKENS",
        "128000",
        "`max_tokens` of requests to Bedrock that name none.",
    ),
    legacy(
        "AWS_ACCESS_KEY_ID",
        "",
        "With `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`: for Bedrock accounts without credentials of their own; where else those look is told in [accounts.md](accounts.md).",
    ),
    legacy("AWS_SECRET_ACCESS_KEY", "", "See `AWS_ACCESS_KEY_ID`."),
    legacy("AWS_SESSION_TOKEN", "", "See `AWS_ACCESS_KEY_ID`."),
    legacy(
        "AWS_BEARER_TOKEN_BEDROCK",
        "",
        "Sent in place of every access key, also those of accounts; accounts with an API key keep theirs.",
    ),
    legacy(
        "AWS_MAX_ATTEMPTS",
        "`max_attempts` of the profile, 3",
        "How often a request to Bedrock is tried; 0 is once.",
    ),
    legacy(
        "AWS_RETRY_MODE",
        "`retry_mode` of the profile, standard",
        "`adaptive` is told to the vendor; requests are not held back as that mode does elsewhere.",
    ),
    legacy(
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
        "`AWS_ENDPOINT_URL`",
        "Endpoint asked in place of the regions' (a VPC endpoint).",
    ),
    legacy(
        "AWS_ENDPOINT_URL",
        "`endpoint_url` of the profile",
        "See `AWS_ENDPOINT_URL_BEDROCK_RUNTIME`.",
    ),
    legacy(
        "AWS_USE_FIPS_ENDPOINT",
        "`use_fips_endpoint` of the profile, false",
        "`true`: Bedrock's endpoints under FIPS 140.",
    ),
    legacy(
        "AWS_USE_DUALSTACK_ENDPOINT",
        "`use_dualstack_endpoint` of the profile, false",
        "`true`: Bedrock's endpoints that are also reached over IPv6.",
    ),
    legacy(
        "AWS_PROFILE",
        "default",
        "Profile in the shared files, for settings and for credentials of accounts that have none.",
    ),
    legacy("AWS_CONFIG_FILE", "~/.aws/config", "Shared file with profiles."),
    legacy(
        "AWS_SHARED_CREDENTIALS_FILE",
        "~/.aws/credentials",
        "Shared file with access keys by profile.",
    ),
    legacy(
        "SYSTEM_PROMPT_THRESHOLD",
        "0.5",
        "Similarity that a Claude Code system entry needs; empty text is 0.",
    ),
    legacy(
        "CLAUDE_CODE_MIN_SYSTEM_PROMPT_MATCHES",
        "0",
        "0: every system entry must match; N: at least N.",
    ),
    legacy(
        "REQUEST_MAX_SIZE_MB",
        "100",
        "Largest request body in MiB; text that is no number switches the check off.",
    ),
    legacy(
        "CONCURRENCY_MAX_LIFETIME_MINUTES",
        "10",
        "A concurrency slot is given back after this long.",
    ),
    legacy(
        "ACCOUNT_TEST_SCHEDULER_ENABLED",
        "true",
        "`false`: accounts are not tried on the schedules that the console sets.",
    ),
    legacy(
        "CLEAR_CONCURRENCY_QUEUES_ON_STARTUP",
        "true",
        "Wait-queue counters that would never expire are removed at start; `false`: they are kept.",
    ),
    legacy("METRICS_WINDOW", "5", "Minutes of the system metrics window."),
    legacy("BILLING_EVENTS_ENABLED", "true", "`false`: write no billing events."),
    legacy("CLEANUP_INTERVAL", "3600000", "Milliseconds between sweeps of expired data."),
    legacy("STICKY_SESSION_TTL_HOURS", "1", "Life of a sticky session; fractions allowed."),
    legacy(
        "STICKY_SESSION_RENEWAL_THRESHOLD_MINUTES",
        "0",
        "Renew when less than this is left; 0 = never.",
    ),
    legacy(
        "DEFAULT_PROXY_TIMEOUT",
        "600000",
        "Socket timeout of proxied connections, in milliseconds.",
    ),
    legacy("PROXY_KEEP_ALIVE", "false", "`true`: keep proxied connections for reuse."),
    legacy("PROXY_MAX_SOCKETS", "", "Most proxied connections per proxy."),
    legacy("PROXY_MAX_FREE_SOCKETS", "", "Most idle proxied connections per proxy."),
    legacy("PROXY_USE_IPV4", "true", "`false`: reach proxies over IPv6."),
    legacy("HTTPS_MAX_SOCKETS_STREAM", "65535", "Most direct connections per host for streams."),
    legacy("HTTPS_MAX_SOCKETS_NON_STREAM", "16384", "Most direct connections per host otherwise."),
    legacy("HTTPS_MAX_FREE_SOCKETS", "2048", "Most idle direct connections per host."),
    legacy(
        "HTTPS_FREE_SOCKET_TIMEOUT",
        "30000",
        "Idle milliseconds after which a direct connection is closed.",
    ),
    legacy("UPSTREAM_ERROR_503_TTL_SECONDS", "60", "An account rests this long after a 503."),
    legacy("UPSTREAM_ERROR_5XX_TTL_SECONDS", "300", "The same after another 5xx."),
    legacy("UPSTREAM_ERROR_OVERLOAD_TTL_SECONDS", "600", "The same after a 529."),
    legacy("UPSTREAM_ERROR_AUTH_TTL_SECONDS", "1800", "The same after a 401 or 403."),
    legacy("UPSTREAM_ERROR_TIMEOUT_TTL_SECONDS", "300", "The same after a 504."),
    legacy(
        "UPSTREAM_ERROR_MAX_CUSTOM_TTL_SECONDS",
        "1800",
        "Cap on what an upstream's `retry-after` may ask for.",
    ),
    legacy(
        "UNSTABLE_ERROR_TYPES",
        "",
        "Comma list of error types that count as an unstable upstream.",
    ),
    legacy("UNSTABLE_ERROR_KEYWORDS", "", "Comma list of words in messages that do."),
    legacy(
        "TIMEZONE_OFFSET",
        "8",
        "Hours east of UTC of dates in Redis keys. 0 means 8, as in the legacy service.",
    ),
    legacy("SYSTEM_TIMEZONE", "Asia/Shanghai", "Zone named in notifications."),
    legacy("LOG_LEVEL", "info", "`error`, `warn`, `info`, `http`, `verbose`, `debug` or `silly`."),
    legacy(
        "LOG_MAX_SIZE",
        "10m",
        "A log file beyond this size continues in a numbered one (`k`, `m`, `g`).",
    ),
    legacy("LOG_MAX_FILES", "5", "Log files kept per kind."),
    legacy("PRICE_MIRROR_REPO", "Wei-Shaw/claude-relay-service", "Repository of the price mirror."),
    legacy("GITHUB_REPOSITORY", "", "The same, when `PRICE_MIRROR_REPO` is not set."),
    legacy("PRICE_MIRROR_BRANCH", "price-mirror", "Branch of the price mirror."),
    legacy("PRICE_MIRROR_FILENAME", "model_prices_and_context_window.json", "Price file."),
    legacy(
        "PRICE_MIRROR_HASH_FILENAME",
        "model_prices_and_context_window.sha256",
        "Its hash file.",
    ),
    legacy(
        "PRICE_MIRROR_BASE_URL",
        "from repository and branch",
        "Base URL; beats repository and branch.",
    ),
    legacy("PRICE_MIRROR_JSON_URL", "from the base URL", "URL of the price file; beats the base."),
    legacy("PRICE_MIRROR_HASH_URL", "from the base URL", "URL of the hash file; beats the base."),
    legacy("ADMIN_USERNAME", "generated", "Read by `crs setup` only."),
    legacy("ADMIN_PASSWORD", "generated", "Read by `crs setup` only."),
    common(
        "UPSTREAM_HOST_MAP",
        "",
        "For tests and rehearsals: `host=base-url` pairs with commas. `/health` warns while it is set.",
    ),
    common("SSL_CERT_FILE", "", "PEM file with further trust roots."),
    common("NODE_EXTRA_CA_CERTS", "", "PEM file with further trust roots."),
    common("TZ", "the system's", "Zone whose midnight a daily cost limit names in `resetAt`."),
    legacy(
        "HTTP_PROXY",
        "",
        "Proxy for requests to `http://` addresses by accounts and receivers without one of their own; official and Bedrock accounts' do not heed it.",
    ),
    legacy(
        "HTTPS_PROXY",
        "",
        "The same for `https://` addresses: `http://`, `https://` or `socks5://` with host and port.",
    ),
    legacy("ALL_PROXY", "", "Proxy where there is none of the two."),
    legacy(
        "NO_PROXY",
        "",
        "Hosts that are asked directly: names, `.suffixes`, `*`; with or without a port.",
    ),
    legacy(
        "http_proxy",
        "",
        "Goes before `HTTP_PROXY`; so do the lower-case spellings of the others.",
    ),
    legacy("https_proxy", "", "See `http_proxy`."),
    legacy("all_proxy", "", "See `http_proxy`."),
    legacy("no_proxy", "", "See `http_proxy`."),
    common("HOME", "", "Folder in which `.aws` is looked for."),
    common(
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "",
        "With `AWS_ROLE_ARN`: token with which that role is taken on, for Bedrock accounts without credentials.",
    ),
    common("AWS_ROLE_ARN", "", "See `AWS_WEB_IDENTITY_TOKEN_FILE`."),
    common(
        "AWS_ROLE_SESSION_NAME",
        "made up",
        "Name of that use of the role in the vendor's logs.",
    ),
    common(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "",
        "Where a container's agent gives out credentials.",
    ),
    common(
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "",
        "The same as a path on ECS's agent; the full address goes before it.",
    ),
    common("AWS_CONTAINER_AUTHORIZATION_TOKEN", "", "Sent to the container's agent."),
    common("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "", "The same in a file, read each time."),
    common(
        "AWS_EC2_METADATA_DISABLED",
        "false",
        "Anything but `false`: the machine is not asked for credentials of its role.",
    ),
    common(
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        "`ec2_metadata_service_endpoint` of the profile, http://169.254.169.254",
        "Where the machine is asked.",
    ),
    common(
        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
        "`ec2_metadata_service_endpoint_mode` of the profile, IPv4",
        "`IPv6`: it is asked over IPv6.",
    ),
    common(
        "AWS_EC2_METADATA_V1_DISABLED",
        "`ec2_metadata_v1_disabled` of the profile, false",
        "Anything but `false`: it is not asked without a token.",
    ),
    common(
        "AWS_ENDPOINT_URL_STS",
        "`AWS_ENDPOINT_URL`",
        "Token service asked for roles in place of the regions'.",
    ),
    own(
        "CRS_MAX_CONNECTIONS",
        "10000",
        "Most open client connections; more wait in the listen backlog.",
    ),
    own(
        "CRS_LEGACY_URL",
        "",
        "The Node service that requests are forwarded to, as `http://host:port` (docs/sidecar.md); unset: `crs` serves everything itself.",
    ),
    own(
        "CRS_LEGACY_CONNECT_TIMEOUT_MS",
        "2000",
        "Longest wait for a connection to the Node service.",
    ),
    own(
        "CRS_LEGACY_HEAD_TIMEOUT_SECONDS",
        "900",
        "Longest wait for the first line of its answer, from the end of the request.",
    ),
    own(
        "CRS_TAP_SOCKET",
        "data/crs/tap.sock",
        "Unix socket on which the tap inside of the Node service reports (legacy-node/README.md).",
    ),
    own(
        "CRS_SHADOW_MEMORY_MB",
        "256",
        "Most memory of requests that wait to be done a second time; beyond it they are dropped and counted.",
    ),
    own(
        "CRS_SHADOW_DUTY_PERCENT",
        "10",
        "Share of the time in which the tap traces requests, when there are more than 5 a second; 100: always (docs/sidecar.md).",
    ),
    own(
        "CRS_SHADOW_PUBLISH_MS",
        "5000",
        "How often what the shadow side counted is written to Redis, for reports and gates.",
    ),
    own(
        "CRS_REUSE_PORT",
        "false",
        "`true`: another `crs` may listen on the same port at the same time.",
    ),
    own("CRS_DRAIN_TIMEOUT_SECONDS", "300", "How long open streams may run on after SIGTERM."),
    own("CRS_WORKER_THREADS", "number of cores", "Threads that serve requests."),
    own("CRS_REDIS_TIMEOUT_MS", "500", "Longest wait for one Redis call."),
    own("CRS_INSTANCE", "default", "Name of this instance in the keys of its usage journal."),
    own("CRS_DATA_DIR", "data", "Folder of `init.json`, price files and the usage journal."),
    own(
        "CRS_FLUSH_WINDOW_MS",
        "50",
        "How long usage is gathered before it is written to Redis, at most 1000.",
    ),
    own(
        "CRS_CACHE_MS",
        "50",
        "How long a key, the account pool and the relay settings are used before they are read again, at most 1000.",
    ),
    own(
        "CRS_OUTAGE_GRACE_SECONDS",
        "60",
        "During a Redis outage, keys seen this recently keep working.",
    ),
    own(
        "CRS_AZURE_OPENAI_SALT",
        "",
        "`security.azureOpenaiSalt` of an edited `config.js`, under which Azure keys are stored.",
    ),
    own(
        "CRS_AZURE_EXACT_USAGE",
        "false",
        "`true`: Azure's cached input is charged once, and stream events of any size are read for their counts. Bills differ from the legacy service's, so only once it is gone.",
    ),
    own(
        "CRS_CODEX_INSTRUCTIONS_FILE",
        "",
        "Instructions that requests of clients other than Codex get on ChatGPT accounts; without it those that `crs import-legacy` found or a Codex client has shown.",
    ),
    own(
        "CRS_NOTIFY_ALLOW_LINK_LOCAL",
        "false",
        "`true`: notifications may go to link-local and cloud metadata addresses (docs/notifications.md).",
    ),
    own("CRS_LOG_FORMAT", "human", "`human` or `json` lines on the terminal."),
    own("CRS_LOG_DIR", "logs", "Folder of log files; `off` writes none."),
    own("CRS_PRICES_DOWNLOAD", "true", "`false`: use only the price files already there."),
    dead("CLAUDE_API_URL", "", "The URL is fixed."),
    dead("CLAUDE_BETA_HEADER", "", ""),
    dead("CLAUDE_CODE_USE_BEDROCK", "", ""),
    dead("CLAUDE_CODE_MAX_OUTPUT_TOKENS", "", ""),
    dead("MAX_THINKING_TOKENS", "", ""),
    dead("DISABLE_PROMPT_CACHING", "", ""),
    dead("MAX_PROXY_RETRIES", "", ""),
    dead("DEFAULT_TOKEN_LIMIT", "", ""),
    dead("TOKEN_USAGE_RETENTION", "", ""),
    dead("HEALTH_CHECK_INTERVAL", "", ""),
    dead("WEB_TITLE", "", ""),
    dead("WEB_DESCRIPTION", "", ""),
    dead("WEB_LOGO_URL", "", ""),
    dead("WEB_SESSION_SECRET", "", ""),
    dead("WEBHOOK_ENABLED", "", "Webhook settings live in Redis."),
    dead("WEBHOOK_URLS", "", "Webhook settings live in Redis."),
    dead("WEBHOOK_TIMEOUT", "", "Webhook settings live in Redis."),
    dead("WEBHOOK_RETRIES", "", "Webhook settings live in Redis."),
    dead("DEBUG", "", ""),
    dead("HOT_RELOAD", "", ""),
    dead("DEBUG_HTTP_TRAFFIC", "", "Only ever logged a warning."),
    dead("USER_MESSAGE_QUEUE_ENABLED", "", "The queue's settings live in Redis."),
    dead("USER_MESSAGE_QUEUE_DELAY_MS", "", "The queue's settings live in Redis."),
    dead("USER_MESSAGE_QUEUE_TIMEOUT_MS", "", "The queue's settings live in Redis."),
    dead("USER_MESSAGE_QUEUE_LOCK_TTL_MS", "", "The queue's settings live in Redis."),
    dead("ALLOW_CUSTOM_CLIENTS", "", ""),
];

/// Names read outside [`super::Config`], by the command named in their meaning.
pub const READ_ELSEWHERE: &[&str] = &["ADMIN_USERNAME", "ADMIN_PASSWORD"];

/// The operators' page, docs/configuration.md.
pub fn render_markdown() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         `crs` reads the process environment, then `.env` in the working directory; a variable that \
         exists in the environment wins even when it is empty. `.env` is read by the legacy service's \
         rules: `#` starts a comment outside quotes, `$NAME` is never expanded.\n\n\
         Numbers are read as the legacy service reads them: leading digits count, and 0 or no digits \
         mean the default. A value that cannot be used stops the start with one sentence and exit code \
         64.\n\n\
         This page is made from the table in `src/config/table.rs`; a test keeps the two equal \
         (`CRS_WRITE_DOCS=1 cargo test --lib config::` rewrites it).\n",
    );
    let parts = [
        (
            Standing::Legacy,
            "Settings of the legacy service",
            "Names, defaults and quirks as they were.",
        ),
        (Standing::Own, "Settings of `crs`", "All start with `CRS_`."),
        (Standing::Common, "Common settings", ""),
        (
            Standing::Dead,
            "Settings without effect",
            "The legacy service reads or documents these, and nothing depends on them, there or here.",
        ),
    ];
    for (standing, title, lead) in parts {
        let _ = write!(page, "\n## {title}\n\n");
        if !lead.is_empty() {
            let _ = write!(page, "{lead}\n\n");
        }
        page.push_str("| variable | default | meaning |\n|---|---|---|\n");
        for setting in SETTINGS.iter().filter(|s| s.standing == standing) {
            let default = if setting.default.is_empty() { "–" } else { setting.default };
            let _ = writeln!(page, "| `{}` | {default} | {} |", setting.name, setting.meaning);
        }
    }
    page
}
