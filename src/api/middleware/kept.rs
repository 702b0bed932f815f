//! What it takes to hand a request on after all: its body as it was read, and a word that nobody
//! served it.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

/// Request extension in which the front keeps the raw body. Costs a reference, no copy.
#[derive(Clone, Debug, Default)]
pub struct KeptBody(Arc<Mutex<Bytes>>);

impl KeptBody {
    pub(super) fn keep(&self, raw: &Bytes) {
        *self.0.lock() = raw.clone();
    }

    /// The body; `None` while somebody else may still put one in.
    pub fn take(self) -> Option<Bytes> {
        Arc::into_inner(self.0).map(Mutex::into_inner)
    }
}

/// Response extension: the failure is ours, neither the client's nor a vendor's. Guards of a rollout watch
/// for it.
#[derive(Clone, Copy, Debug)]
pub struct Fault;

/// Response extension: the request was not served and no vendor was called for it, so that somebody
/// else may serve it. The response is what the client gets when nobody does.
#[derive(Clone, Copy, Debug)]
pub struct Unserved;
