//! One run of a job: alone among all instances, recorded for operators.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use compat::{
    keys,
    lock::{self, Lock},
    store::{Batch, Cmd, Store, StoreError, accepted},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Done, Elsewhere, Job, Jobs};

/// The lock lives for two minutes and is renewed this often.
const RENEWAL: Duration = Duration::from_secs(40);
/// What jobs did is kept this long after the last of them, seconds.
const KEPT: i64 = 2_592_000;

/// Why a job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// It is due; not when another instance has done it lately.
    Due,
    /// Somebody asks for it now.
    Asked,
}

/// The last run of a job.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Last {
    /// Start, epoch milliseconds.
    pub at_ms: i64,
    /// Instance that ran it.
    pub instance: String,
    /// How long it took, milliseconds.
    pub took_ms: u64,
    /// What it did; nothing when there was nothing to do.
    pub did: Option<String>,
    /// Why it failed.
    pub failed: Option<String>,
}

/// How an attempt to run a job went.
#[derive(Clone, Debug)]
pub enum Flight {
    /// It ran.
    Ran(Last),
    /// It found that another service, the legacy one perhaps, is at it.
    Elsewhere(Last),
    /// Another instance is at it.
    Busy,
    /// Another instance has done it lately.
    Lately,
}

impl Jobs {
    /// Runs a job unless another instance does or, when it is merely due, has done so lately.
    ///
    /// # Errors
    /// When Redis cannot be asked. A job that fails is told in [`Last::failed`].
    pub async fn fly(&self, job: &Job, trigger: Trigger) -> Result<Flight, StoreError> {
        let lock = Lock::job(job.name, format!("{}_{}", self.0.settings.instance, Uuid::new_v4()));
        if !lock::taken(self.one(lock.acquire()).await?)? {
            return Ok(Flight::Busy);
        }
        let flight = self.alone(job, trigger, &lock).await;
        self.release(&lock).await;
        flight
    }

    /// Under the job's lock.
    async fn alone(&self, job: &Job, trigger: Trigger, lock: &Lock) -> Result<Flight, StoreError> {
        let done = keys::job_done(job.name);
        if trigger == Trigger::Due && self.one(Cmd::new("EXISTS").arg(&done)).await?.int()? == 1 {
            return Ok(Flight::Lately);
        }
        let (last, elsewhere) = self.recorded(job, trigger, lock).await;
        self.note(job, &last, elsewhere).await?;
        Ok(if elsewhere { Flight::Elsewhere(last) } else { Flight::Ran(last) })
    }

    /// What came of it, and whether another service is at it.
    async fn recorded(&self, job: &Job, trigger: Trigger, lock: &Lock) -> (Last, bool) {
        let (started, at_ms) = (Instant::now(), self.now_ms());
        let renewing = async {
            loop {
                tokio::time::sleep(RENEWAL).await;
                if let Err(error) = self.one(lock.renew()).await {
                    tracing::debug!(%error, job = job.name, "the lock of a job was not renewed");
                }
            }
        };
        let outcome: Done = tokio::select! {
            outcome = self.work(job, trigger) => outcome,
            () = renewing => Ok(None),
        };
        let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let elsewhere = outcome.as_ref().is_err_and(|error| error.is::<Elsewhere>());
        let (did, failed) = match outcome {
            Ok(did) => (did, None),
            Err(error) if elsewhere => (Some(error.to_string()), None),
            Err(error) => (None, Some(format!("{error:#}"))),
        };
        match (&did, &failed) {
            (_, Some(error)) => tracing::warn!(job = job.name, error, "a background job failed"),
            (Some(did), None) => {
                tracing::info!(job = job.name, did, took_ms, "a background job ran")
            }
            (None, None) => tracing::debug!(job = job.name, took_ms, "a background job ran"),
        }
        let result = if failed.is_some() { "failed" } else { "done" };
        metrics::counter!("crs_job_runs_total", "job" => job.name, "result" => result).increment(1);
        let instance = self.0.settings.instance.clone();
        (Last { at_ms, instance, took_ms, did, failed }, elsewhere)
    }

    /// Leaves behind what the run did, and that it need not be done again soon.
    async fn note(&self, job: &Job, last: &Last, elsewhere: bool) -> Result<(), StoreError> {
        let text = serde_json::to_string(last).unwrap_or_default();
        let mut batch = Batch::atomic();
        batch.push(Cmd::new("HSET").arg(keys::JOBS).arg(job.name).arg(text));
        batch.push(Cmd::new("EXPIRE").arg(keys::JOBS).arg(KEPT));
        if let Some(interval) = job.interval(self.0.settings.cleanup_interval)
            && last.failed.is_none()
            && !elsewhere
        {
            // A little less than the interval: instances do not tick alike.
            let ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX) / 10 * 9;
            let done = Cmd::new("SET").arg(keys::job_done(job.name)).arg(&last.instance);
            batch.push(done.arg("PX").arg(ms.max(1)));
        }
        accepted(&self.0.store.run(batch).await?)
    }
}

/// The last run of each job, by name.
///
/// # Errors
/// When Redis cannot be asked.
pub async fn last_runs(store: &dyn Store) -> Result<BTreeMap<String, Last>, StoreError> {
    let reply = store.run(Cmd::new("HGETALL").arg(keys::JOBS).into()).await?.pop();
    let fields = reply.map(|reply| reply.map()).transpose()?.unwrap_or_default();
    let parsed =
        fields.into_iter().filter_map(|(job, text)| Some((job, serde_json::from_str(&text).ok()?)));
    Ok(parsed.collect())
}
