//! The order in which eligible accounts are taken: priority, then longest unused, then oldest.

use std::{cmp::Ordering, sync::Arc};

use compat::pool::Entry;

/// Sorts in place, keeping the order of equals.
///
/// An unreadable date equals every other date, as in the legacy comparison. That makes the comparison
/// intransitive, so the sort must not assume otherwise: insertion, at most a few hundred accounts.
pub(super) fn sort(accounts: &mut [Arc<Entry>]) {
    let mut keys: Vec<Key> = accounts.iter().map(|entry| Key::of(entry)).collect();
    for end in 1..accounts.len() {
        let mut at = end;
        while at > 0 && keys[at].cmp(&keys[at - 1]) == Ordering::Less {
            keys.swap(at, at - 1);
            accounts.swap(at, at - 1);
            at -= 1;
        }
    }
}

struct Key {
    priority: i64,
    last_used_ms: Option<i64>,
    created_ms: Option<i64>,
}

impl Key {
    fn of(entry: &Entry) -> Self {
        Self {
            priority: entry.priority(),
            last_used_ms: entry.last_used_ms(),
            created_ms: entry.created_ms(),
        }
    }

    fn cmp(&self, other: &Self) -> Ordering {
        let dates = |a: Option<i64>, b: Option<i64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            // The difference is not a number: neither first, and later fields are not looked at.
            _ => None,
        };
        match self.priority.cmp(&other.priority) {
            Ordering::Equal => {}
            order => return order,
        }
        match dates(self.last_used_ms, other.last_used_ms) {
            Some(Ordering::Equal) => {}
            order => return order.unwrap_or(Ordering::Equal),
        }
        dates(self.created_ms, other.created_ms).unwrap_or(Ordering::Equal)
    }
}
