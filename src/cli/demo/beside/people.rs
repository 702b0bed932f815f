//! Who asks in act two: accounts and keys, some of them special.

use super::super::seed::{Planted, Planter, new_id};
use crate::rollout;

/// Keys that requests are spread over.
pub(super) const KEYS: usize = 12;
/// Of them, in the share of a canary of a quarter.
pub(super) const INSIDE: usize = 3;
/// Places below which a key is in that share, of 10,000.
const QUARTER: u16 = 2500;

/// Keys in use.
#[derive(Clone, Debug)]
pub(super) struct People {
    /// The ordinary ones; the first [`INSIDE`] are in the canary's quarter.
    pub keys: Vec<Planted>,
    /// Switched off.
    pub off: Planted,
    /// For the requests that Node gets wrong.
    pub clumsy: Planted,
}

impl People {
    /// Plants three accounts and all keys.
    pub(super) fn plant(planter: &mut Planter) -> Self {
        for name in ["First account", "Second account", "Third account"] {
            planter.account(name);
        }
        // Slots are counted for keys with a limit only.
        let limit = ("concurrencyLimit", "100");
        let keys = (0..KEYS).map(|n| {
            let id = id_in_quarter(n < INSIDE);
            planter.key(&id, &format!("Team {:02}", n + 1), &[limit])
        });
        let keys = keys.collect();
        Self {
            keys,
            off: planter.key(&new_id(), "Switched off", &[("isActive", "false")]),
            clumsy: planter.key(&id_in_quarter(false), "Unlucky", &[limit]),
        }
    }
}

/// An id whose place lies in the quarter, or does not.
fn id_in_quarter(inside: bool) -> String {
    loop {
        let id = new_id();
        if (rollout::place(&id) < QUARTER) == inside {
            return id;
        }
    }
}
