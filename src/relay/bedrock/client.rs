//! What the vendor's client library remembers between requests of one account in one region: how far
//! the vendor's clock is off, and how many repetitions it still pays for.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use crate::platform::bedrock::Again;

/// A clock this far off is not one's own any more.
const SKEW_MS: i64 = 300_000;
/// Repetitions that are paid for before the first success.
const CAPACITY: i64 = 500;
/// Clients remembered; beyond it all are forgotten, which costs one refused request each at most.
const CLIENTS_MAX: usize = 10_000;

/// One memory per region and account. Bounded by [`CLIENTS_MAX`].
#[derive(Default)]
pub(in crate::relay) struct ClientStates(Mutex<HashMap<(String, Arc<str>), ClientState>>);

/// The memory of one client. Clones share it.
#[derive(Clone, Default)]
pub(super) struct ClientState(Arc<Mutex<Inner>>);

struct Inner {
    clock_offset_ms: i64,
    capacity: i64,
}

impl Default for Inner {
    fn default() -> Self {
        Self { clock_offset_ms: 0, capacity: CAPACITY }
    }
}

impl ClientStates {
    /// The memory of an account in a region.
    pub(super) fn of(&self, region: &str, account_id: &Arc<str>) -> ClientState {
        let mut all = self.0.lock();
        if all.len() >= CLIENTS_MAX {
            all.clear();
        }
        all.entry((region.to_owned(), account_id.clone())).or_default().clone()
    }
}

impl ClientState {
    /// What is added to our clock to get the vendor's.
    pub(super) fn clock_offset_ms(&self) -> i64 {
        self.0.lock().clock_offset_ms
    }

    /// Follows the vendor's clock when it is far from ours; tells whether ours was moved.
    pub(super) fn follow_clock(&self, now_ms: i64, theirs_ms: Option<i64>) -> bool {
        let Some(theirs_ms) = theirs_ms else { return false };
        let mut state = self.0.lock();
        if (now_ms + state.clock_offset_ms - theirs_ms).abs() < SKEW_MS {
            return false;
        }
        let before = std::mem::replace(&mut state.clock_offset_ms, theirs_ms - now_ms);
        state.clock_offset_ms != before
    }

    /// Pays for a repetition; `None` when there is nothing to repeat or nothing left to pay with.
    pub(super) fn pays(&self, again: Again) -> Option<i64> {
        let cost = match again {
            Again::No => return None,
            Again::Throttled => 5,
            Again::Transient => 10,
        };
        let mut state = self.0.lock();
        if state.capacity < cost {
            return None;
        }
        state.capacity -= cost;
        Some(cost)
    }

    /// A success pays back the last repetition, or a little.
    pub(super) fn succeeded(&self, paid: Option<i64>) {
        let mut state = self.0.lock();
        state.capacity = state.capacity.saturating_add(paid.unwrap_or(1)).max(CAPACITY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_end_when_nothing_succeeds() {
        let client = ClientState::default();
        let tries = (0..).take_while(|_| client.pays(Again::Transient).is_some()).count();
        assert_eq!(tries, 50);
        assert_eq!(client.pays(Again::No), None);
        client.succeeded(None);
        assert_eq!(client.pays(Again::Throttled), Some(5));
    }

    #[test]
    fn the_clock_is_followed_from_five_minutes_on() {
        let client = ClientState::default();
        assert!(!client.follow_clock(1_000_000, None));
        assert!(!client.follow_clock(1_000_000, Some(1_299_999)));
        assert!(client.follow_clock(1_000_000, Some(1_300_000)));
        assert_eq!(client.clock_offset_ms(), 300_000);
        assert!(!client.follow_clock(1_000_000, Some(1_300_000)));
        assert!(client.follow_clock(1_000_000, Some(0)));
        assert_eq!(client.clock_offset_ms(), -1_000_000);
    }

    #[test]
    fn accounts_and_regions_have_a_memory_of_their_own() {
        let states = ClientStates::default();
        let (a, b) = (Arc::from("a"), Arc::from("b"));
        states.of("r", &a).follow_clock(0, Some(SKEW_MS));
        assert_eq!(states.of("r", &a).clock_offset_ms(), SKEW_MS);
        assert_eq!(states.of("r", &b).clock_offset_ms(), 0);
        assert_eq!(states.of("s", &a).clock_offset_ms(), 0);
    }
}
