//! Settings of this service alone.

use super::{Setting, own};

pub(super) const OWN: &[Setting] = &[
    own(
        "CRS_MAX_CONNECTIONS",
        "10000",
        "Most open client connections, at most half of the files that the process may open; more wait in the listen backlog.",
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
        "CRS_AWS_MFA_PROGRAM",
        "",
        "Shell command that prints the code of a second factor, for profiles with `mfa_serial`, which it is handed as `AWS_MFA_SERIAL`.",
    ),
    own(
        "CRS_NOTIFY_ALLOW_LINK_LOCAL",
        "false",
        "`true`: notifications may go to link-local and cloud metadata addresses (docs/notifications.md).",
    ),
    own("CRS_LOG_FORMAT", "human", "`human` or `json` lines on the terminal."),
    own("CRS_LOG_DIR", "logs", "Folder of log files; `off` writes none."),
    own("CRS_PRICES_DOWNLOAD", "true", "`false`: use only the price files already there."),
];
