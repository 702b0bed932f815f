//! Which scripts the server already holds.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::store::Script;

/// Hash of each script and whether this store has sent its text.
///
/// A script is sent whole the first time, which also stores it on the server, and by its hash from
/// then on.
#[derive(Default)]
pub(super) struct Scripts(Mutex<HashMap<&'static str, Known>>);

struct Known {
    sha: String,
    loaded: bool,
}

impl Scripts {
    /// The hash to call the script by, or `None` while its text must travel.
    pub(super) fn hash_if_loaded(&self, script: &'static Script) -> Option<String> {
        let known = self.0.lock();
        known.get(script.source).filter(|known| known.loaded).map(|known| known.sha.clone())
    }

    /// The server has run the script's text.
    pub(super) fn mark_loaded(&self, script: &'static Script) {
        self.0
            .lock()
            .entry(script.source)
            .or_insert_with(|| Known {
                sha: redis::Script::new(script.source).get_hash().to_owned(),
                loaded: false,
            })
            .loaded = true;
    }

    /// The server lost its scripts (restart, `SCRIPT FLUSH`).
    pub(super) fn forget_all(&self) {
        for known in self.0.lock().values_mut() {
            known.loaded = false;
        }
    }
}
