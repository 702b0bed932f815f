//! Headers that stand on every answer (contract/auth-limits-usage.md §1.2).
//!
//! The legacy service sets them in two steps: the first before anything can answer, the second after
//! the body was read. Answers given in between (CORS, size limit, broken body) carry the first alone.

use axum::http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, EXPIRES, PRAGMA, REFERRER_POLICY,
        STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_DNS_PREFETCH_CONTROL, X_FRAME_OPTIONS,
        X_XSS_PROTECTION,
    },
};

/// Headers of the first step, in the order sent.
const FIRST: [(HeaderName, &str); 11] = [
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("origin-agent-cluster"), "?1"),
    (REFERRER_POLICY, "no-referrer"),
    (STRICT_TRANSPORT_SECURITY, "max-age=15552000; includeSubDomains"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_DNS_PREFETCH_CONTROL, "off"),
    (HeaderName::from_static("x-download-options"), "noopen"),
    (X_FRAME_OPTIONS, "SAMEORIGIN"),
    (HeaderName::from_static("x-permitted-cross-domain-policies"), "none"),
    (X_XSS_PROTECTION, "0"),
];

/// Headers that the second step sets or changes.
const SECOND: [(HeaderName, &str); 3] = [
    (X_FRAME_OPTIONS, "DENY"),
    (X_XSS_PROTECTION, "1; mode=block"),
    (REFERRER_POLICY, "strict-origin-when-cross-origin"),
];

/// Headers that the second step adds after a policy for pages.
const LAST: [(HeaderName, &str); 3] =
    [(CACHE_CONTROL, "no-cache, no-store, must-revalidate"), (PRAGMA, "no-cache"), (EXPIRES, "0")];

/// Policy of pages: `/` and everything whose path starts with `/web`.
const PAGE_POLICY: &str = "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' \
https://unpkg.com https://cdn.tailwindcss.com https://cdnjs.cloudflare.com https://cdn.jsdelivr.net \
https://cdn.bootcdn.net; style-src 'self' 'unsafe-inline' https://cdn.tailwindcss.com \
https://cdnjs.cloudflare.com https://cdn.bootcdn.net; font-src 'self' https://cdnjs.cloudflare.com \
https://cdn.bootcdn.net; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; \
base-uri 'self'; form-action 'self'";

/// Sets the headers of the first step.
pub fn first(headers: &mut HeaderMap) {
    headers.reserve(32);
    for (name, value) in FIRST {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Sets the headers of the second step for a request to `path`.
pub fn second(headers: &mut HeaderMap, path: &str) {
    for (name, value) in SECOND {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if path == "/" || path.starts_with("/web") {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
    }
    for (name, value) in LAST {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
