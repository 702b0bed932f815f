//! The Prometheus exposition: what was counted since the start, and the state of things now.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusBuilder;

use super::App;

/// Upper bounds of durations, seconds: from a refusal to a stream of minutes.
const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0];

/// Installs the process-wide recorder of metrics and gives its renderer. A second service in one
/// process (tests) shares nothing and shows nothing.
pub(super) fn exposition(app: Arc<App>) -> impl Fn() -> String + Send + Sync + 'static {
    let builder = PrometheusBuilder::new();
    let recorder = match builder.set_buckets(&SECONDS) {
        Ok(builder) => builder.build_recorder(),
        Err(error) => {
            tracing::warn!(%error, "durations are summarised");
            PrometheusBuilder::new().build_recorder()
        }
    };
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::debug!("metrics are recorded elsewhere");
    }
    move || {
        observe(&app);
        handle.render()
    }
}

/// Notes what is not counted as it happens.
fn observe(app: &App) {
    let ledger = app.billing.books().status();
    metrics::gauge!("crs_usage_backlog_events").set(ledger.backlog as f64);
    metrics::counter!("crs_usage_booked_total").absolute(ledger.booked);
    metrics::counter!("crs_usage_flushes_total").absolute(ledger.flushes);
    metrics::counter!("crs_usage_lost_total").absolute(ledger.lost);
    metrics::counter!("crs_usage_refused_commands_total").absolute(ledger.refused);
    let Some(redis) = &app.redis else { return };
    for (name, store) in [("requests", &redis.hot), ("bulk", &redis.bulk)] {
        let counters = store.counters();
        let count = |metric: &'static str, value: u64| {
            metrics::counter!(metric, "connection" => name).absolute(value);
        };
        count("crs_redis_round_trips_total", counters.round_trips);
        count("crs_redis_commands_total", counters.commands);
        count("crs_redis_failures_total", counters.failures);
        count("crs_redis_timeouts_total", counters.timeouts);
        count("crs_redis_reconnects_total", counters.reconnects);
    }
}
