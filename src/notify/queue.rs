//! The queue between those who tell and the deliveries.

use std::{sync::Arc, time::Duration};

use compat::store::{Reply, Store, StoreError};
use parking_lot::Mutex;
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Locale, Notice, Postman, Stored};
use crate::domain::{Anomaly, AnomalySink};

/// Notices that may wait; further ones are dropped and counted.
const WAITING: usize = 1024;
/// Notices that are delivered at the same time.
const AT_ONCE: usize = 32;
/// How often the settings are read when there is nothing to tell, so that they are known when Redis fails.
const REMEMBER: Duration = Duration::from_secs(60);
/// How long deliveries may go on when the service ends.
const LAST: Duration = Duration::from_secs(5);

/// Where notices are handed in. Cheap to clone; never waits.
#[derive(Clone)]
pub struct Notifier {
    waiting: mpsc::Sender<Notice>,
    locale: Locale,
}

/// The other end: delivers what was handed in. One per process.
pub struct Delivery {
    waiting: mpsc::Receiver<Notice>,
    office: Arc<Office>,
}

struct Office {
    store: Arc<dyn Store>,
    postman: Postman,
    /// The settings as last read.
    known: Mutex<Stored>,
}

impl Notifier {
    /// A queue that is emptied over `store` and `postman`.
    pub fn new(store: Arc<dyn Store>, postman: Postman) -> (Self, Delivery) {
        let (handed_in, waiting) = mpsc::channel(WAITING);
        let locale = postman.locale.clone();
        let office = Arc::new(Office { store, postman, known: Mutex::default() });
        (Self { waiting: handed_in, locale }, Delivery { waiting, office })
    }

    /// Hands a notice in. When too many wait it is dropped and counted.
    pub fn tell(&self, notice: Notice) {
        let kind = notice.label();
        match self.waiting.try_send(notice) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                metrics::counter!("crs_notifications_dropped_total", "kind" => kind).increment(1);
                tracing::warn!(kind, "too many notices wait; this one is dropped");
            }
            Err(TrySendError::Closed(_)) => tracing::debug!(kind, "notices are not sent any more"),
        }
    }
}

impl AnomalySink for Notifier {
    fn report(&self, anomaly: Anomaly) {
        let notice = Notice::anomaly(&anomaly, &self.locale);
        crate::domain::LogAnomalies.report(anomaly);
        self.tell(notice);
    }
}

impl Delivery {
    /// Delivers until `stop`; what waits then has a few seconds.
    pub async fn run(mut self, stop: CancellationToken) {
        self.office.remember().await;
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = running.join_next() => {}
                notice = self.waiting.recv(), if running.len() < AT_ONCE => {
                    let Some(notice) = notice else { break };
                    let office = Arc::clone(&self.office);
                    running.spawn(async move { office.deliver(&notice).await });
                }
                () = sleep(REMEMBER) => self.office.remember().await,
            }
        }
        while let Ok(notice) = self.waiting.try_recv() {
            let office = Arc::clone(&self.office);
            running.spawn(async move { office.deliver(&notice).await });
        }
        let last = async { while running.join_next().await.is_some() {} };
        if timeout(LAST, last).await.is_err() {
            tracing::warn!("notices are left undelivered");
        }
    }
}

impl Office {
    async fn deliver(&self, notice: &Notice) {
        self.remember().await;
        let stored = self.known.lock().clone();
        if stored.wants(notice) {
            self.postman.send_all(&stored, notice).await;
        }
    }

    /// Reads the settings; when that fails, those last read stay in force.
    async fn remember(&self) {
        match read(&*self.store).await {
            Ok(stored) => *self.known.lock() = stored,
            Err(error) => tracing::debug!(%error, "the notification settings were not read"),
        }
    }
}

/// The settings as they are stored.
///
/// # Errors
/// When Redis cannot be asked.
pub async fn read(store: &dyn Store) -> Result<Stored, StoreError> {
    let reply = store.run(Stored::get().into()).await?.pop();
    let text = reply.map_or(Ok(None), Reply::text)?;
    Ok(Stored::parse(text.as_deref()))
}
