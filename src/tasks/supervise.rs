//! Keeps a panic in background work from ending the service: it is logged, and the work done again later.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;
use tokio::time::sleep;

/// Pause before work that panicked begins anew.
const PAUSE: Duration = Duration::from_secs(10);

/// Runs work; `None` when it panicked. What it left half done must not matter, as after a lost connection.
pub(super) async fn guarded<T>(what: &str, work: impl Future<Output = T>) -> Option<T> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(done) => Some(done),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            let text = text.unwrap_or_default();
            tracing::error!(what, panic = text, "background work panicked; please report it");
            None
        }
    }
}

/// Runs work that goes on for ever, anew each time it panicked.
pub async fn supervised<F>(what: &str, mut work: impl FnMut() -> F)
where
    F: Future<Output = ()>,
{
    while guarded(what, work()).await.is_none() {
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_that_panics_is_done_again() {
        let mut begun = 0;
        supervised("test", || {
            begun += 1;
            let begun = begun;
            async move {
                assert!(begun >= 3, "not yet");
            }
        })
        .await;
        assert_eq!(begun, 3);
        assert_eq!(guarded("test", async { 7 }).await, Some(7));
    }
}
