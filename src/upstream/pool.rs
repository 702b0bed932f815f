//! Kept connections by route, newest first out, bounded in number and age.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{host_map::Endpoint, line::Line, settings::SenderSettings};
use crate::domain::ProxyConfig;

/// How often, at most, the whole pool is looked through for connections past their time.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// What two requests must have in common to share a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Route {
    /// Where the connection ends.
    pub endpoint: Endpoint,
    /// The proxy it goes through.
    pub proxy: Option<ProxyConfig>,
    /// Whether the proxy is handed the requests themselves, without a tunnel.
    pub handed_on: bool,
}

/// Idle connections.
pub(super) struct Pool {
    limits: Limits,
    shelves: Mutex<Shelves>,
}

struct Limits {
    keep: Duration,
    direct: usize,
    proxied: usize,
}

struct Shelves {
    by_route: HashMap<Route, Vec<Idle>>,
    swept: Instant,
}

struct Idle {
    line: Line,
    until: Instant,
}

impl Pool {
    /// An empty pool.
    pub fn new(settings: &SenderSettings) -> Self {
        let limits = Limits {
            keep: settings.idle_keep,
            direct: settings.max_idle,
            proxied: if settings.proxy_keep_alive { settings.proxy_max_idle } else { 0 },
        };
        let shelves = Shelves { by_route: HashMap::new(), swept: Instant::now() };
        Self { limits, shelves: Mutex::new(shelves) }
    }

    /// Whether connections of this route are kept at all.
    pub fn keeps(&self, route: &Route) -> bool {
        self.limit(route) > 0
    }

    /// A connection that looks alive, if there is one.
    pub fn take(&self, route: &Route) -> Option<Line> {
        let now = Instant::now();
        loop {
            // One at a time, so that looking at the socket happens outside the lock.
            let mut idle = self.shelves.lock().by_route.get_mut(route)?.pop()?;
            if idle.until > now && idle.line.is_usable() {
                return Some(idle.line);
            }
        }
    }

    /// Keeps a connection, unless it cannot be used again or the route's shelf is full; then it is
    /// closed. `hint` is the peer's own limit in seconds.
    pub fn put(&self, route: Route, mut line: Line, hint: Option<u64>) {
        if !line.is_usable() {
            return;
        }
        let limit = self.limit(&route);
        let keep = hint.map_or(self.limits.keep, |s| self.limits.keep.min(Duration::from_secs(s)));
        let now = Instant::now();
        let idle = Idle { line, until: now + keep };
        let mut shelves = self.shelves.lock();
        let shelf = shelves.by_route.entry(route).or_default();
        if shelf.len() < limit {
            shelf.push(idle);
        }
        let swept = shelves.sweep_if_due(now);
        drop(shelves);
        drop(swept);
    }

    /// Closes connections past their time.
    pub fn close_expired(&self) {
        let swept = self.shelves.lock().sweep(Instant::now());
        drop(swept);
    }

    /// Closes the idle connection that has waited longest, if there is one.
    pub fn close_oldest(&self) {
        let mut shelves = self.shelves.lock();
        let oldest = shelves
            .by_route
            .values_mut()
            .filter(|shelf| !shelf.is_empty())
            .min_by_key(|shelf| shelf[0].until)
            .map(|shelf| shelf.remove(0));
        drop(shelves);
        drop(oldest);
    }

    /// Number of idle connections.
    pub fn idle(&self) -> usize {
        self.shelves.lock().by_route.values().map(Vec::len).sum()
    }

    fn limit(&self, route: &Route) -> usize {
        if route.proxy.is_some() { self.limits.proxied } else { self.limits.direct }
    }
}

impl Shelves {
    fn sweep_if_due(&mut self, now: Instant) -> Vec<Idle> {
        if now < self.swept + SWEEP_EVERY { Vec::new() } else { self.sweep(now) }
    }

    /// Takes out what is past its time; the caller closes it outside the lock.
    fn sweep(&mut self, now: Instant) -> Vec<Idle> {
        self.swept = now;
        let mut expired = Vec::new();
        for shelf in self.by_route.values_mut() {
            expired.extend(shelf.extract_if(.., |idle| idle.until <= now));
        }
        self.by_route.retain(|_, shelf| !shelf.is_empty());
        expired
    }
}
