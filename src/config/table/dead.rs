//! Settings of the legacy service that have no effect, there or here.

use super::{Setting, dead};

pub(super) const DEAD: &[Setting] = &[
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
