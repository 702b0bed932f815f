//! Counts of requests for the Prometheus exposition. Labels come from closed lists, never from a
//! client's own words.

use std::time::Instant;

use super::ending::Exchange;

/// What a URL is about, by its last segments.
const ROUTES: [(&str, &str); 10] = [
    ("/v1/messages/count_tokens", "count_tokens"),
    ("/v1/messages", "messages"),
    ("/v1/chat/completions", "chat"),
    ("/v1/completions", "completions"),
    ("/v1/models", "models"),
    ("/v1/key-info", "key_info"),
    ("/v1/usage", "usage"),
    ("/v1/me", "me"),
    ("/health", "health"),
    ("/metrics", "metrics"),
];

/// The head of the answer is on its way.
pub(super) fn answered(exchange: &Exchange, started: Instant) {
    let route = route(&exchange.url);
    metrics::histogram!("crs_http_first_byte_seconds", "route" => route)
        .record(started.elapsed().as_secs_f64());
}

/// The answer was handed over whole.
pub(super) fn ended(exchange: &Exchange, started: Instant) {
    let route = route(&exchange.url);
    finished(exchange, route, "complete");
    metrics::histogram!("crs_http_request_seconds", "route" => route)
        .record(started.elapsed().as_secs_f64());
}

/// The client left first.
pub(super) fn left(exchange: &Exchange) {
    finished(exchange, route(&exchange.url), "client_left");
}

fn finished(exchange: &Exchange, route: &'static str, end: &'static str) {
    let status = exchange.status.to_string();
    metrics::counter!("crs_http_requests_total", "route" => route, "status" => status, "end" => end)
        .increment(1);
}

fn route(url: &str) -> &'static str {
    let path = url.split('?').next().unwrap_or_default().trim_end_matches('/');
    ROUTES.iter().find(|(end, _)| path.ends_with(end)).map_or("other", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::route;

    #[test]
    fn labels_come_from_a_closed_list() {
        assert_eq!(route("/api/v1/messages?beta=true"), "messages");
        assert_eq!(route("/claude/v1/messages/count_tokens"), "count_tokens");
        assert_eq!(route("/health"), "health");
        assert_eq!(route("/api/v1/organizations/secret/usage"), "other");
    }
}
