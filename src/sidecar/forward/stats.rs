//! Counts of what was forwarded, for Prometheus.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use parking_lot::Mutex;

use super::failure::FailureKind;

/// Counters of one forwarder. Taken from the recorder once, so that counting costs an atomic addition.
pub(super) struct Stats {
    requests: Counter,
    /// By status; a bounded set, since a status has three digits.
    statuses: Mutex<BTreeMap<u16, Counter>>,
    errors: BTreeMap<&'static str, Counter>,
    pub client_left: Counter,
    pub up: Counter,
    pub down: Counter,
    pub retries: Counter,
    pub connections: Counter,
    in_flight: Gauge,
    first_byte: Histogram,
    pub heard: Option<Heard>,
}

/// Told how long Node took to its first byte.
pub type Heard = Arc<dyn Fn(Duration) + Send + Sync>;

impl Stats {
    pub fn new() -> Self {
        let errors = FailureKind::ALL
            .into_iter()
            .map(|kind| {
                (kind.label(), counter!("crs_forward_errors_total", "kind" => kind.label()))
            })
            .collect();
        Self {
            requests: counter!("crs_forward_requests_total"),
            statuses: Mutex::default(),
            errors,
            client_left: counter!("crs_forward_client_left_total"),
            up: counter!("crs_forward_bytes_total", "direction" => "to_node"),
            down: counter!("crs_forward_bytes_total", "direction" => "to_client"),
            retries: counter!("crs_forward_retries_total"),
            connections: counter!("crs_forward_connections_total"),
            in_flight: gauge!("crs_forward_in_flight"),
            first_byte: histogram!("crs_forward_first_byte_seconds"),
            heard: None,
        }
    }

    /// Counts a request until the result is dropped.
    pub fn begin(&self) -> InFlight {
        self.requests.increment(1);
        self.in_flight.increment(1.0);
        InFlight(self.in_flight.clone())
    }

    pub fn answered(&self, status: u16, after: Duration) {
        self.first_byte.record(after);
        if let Some(heard) = &self.heard {
            heard(after);
        }
        let mut statuses = self.statuses.lock();
        let counted = statuses.entry(status).or_insert_with(
            || counter!("crs_forward_responses_total", "status" => status.to_string()),
        );
        counted.increment(1);
    }

    pub fn failed(&self, kind: FailureKind) {
        if let Some(counter) = self.errors.get(kind.label()) {
            counter.increment(1);
        }
    }
}

/// A request under way.
pub(super) struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
