//! Runs the jobs in time, as long as the process lives.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use super::{
    Beside, Every, JOBS, Job, Jobs,
    flight::{Flight, Trigger},
    supervise::guarded,
};

/// How often it is looked whether jobs have become ours, e.g. because the phase of the rollout changed.
const LOOK: Duration = Duration::from_secs(2);
/// Pause after Redis could not be asked, and the longest that it grows to where one follows another.
const RETRY: Duration = Duration::from_secs(10);
const RETRY_MAX: Duration = Duration::from_secs(300);

/// How an attempt went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    /// It was done, now or lately.
    Done,
    /// It was not: it failed, or somebody else is at it.
    Open,
    /// Redis could not be asked.
    Unasked,
}

/// When a job at start is tried again.
#[derive(Clone, Copy)]
struct Try {
    due: Instant,
    pause: Duration,
}

impl Try {
    fn again(&mut self) {
        self.due = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(RETRY_MAX);
    }
}

/// Which jobs are this process's business at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// None: the legacy service has them.
    None,
    /// Those that may run beside the legacy service.
    Shared,
    /// All.
    All,
}

impl Duty {
    /// Whether the job is ours.
    pub fn includes(self, job: &Job) -> bool {
        match self {
            Self::None => false,
            Self::Shared => job.beside == Beside::Primary,
            Self::All => true,
        }
    }
}

impl Jobs {
    /// Runs jobs whenever they are due and ours; never returns. Drop it to stop. Jobs at start run one after
    /// the other, each as soon as it is ours; the others follow their own pace. What runs at start only is
    /// tried until it is done: its lock may be that of an instance that was killed.
    pub async fn serve(&self, duty: Arc<dyn Fn() -> Duty + Send + Sync>) {
        let (started, watching) = watch::channel([false; JOBS.len()]);
        let starting = async {
            let mut tries = [Try { due: Instant::now(), pause: RETRY }; JOBS.len()];
            loop {
                for (place, job) in JOBS.iter().enumerate().filter(|(_, job)| job.at_start) {
                    let (done, this) = (started.borrow()[place], &mut tries[place]);
                    if done || !duty().includes(job) || this.due > Instant::now() {
                        continue;
                    }
                    let settled = match self.attempt(job).await {
                        Attempt::Done => true,
                        Attempt::Open => job.every != Every::Start,
                        Attempt::Unasked => false,
                    };
                    if settled {
                        started.send_modify(|started| started[place] = true);
                    } else {
                        this.again();
                    }
                }
                sleep(LOOK).await;
            }
        };
        let recurring = JOBS.iter().enumerate().filter_map(|(place, job)| {
            let interval = job.interval(self.0.settings.cleanup_interval)?;
            let (mut watching, duty) = (watching.clone(), Arc::clone(&duty));
            Some(async move {
                if job.at_start && watching.wait_for(|started| started[place]).await.is_err() {
                    return;
                }
                let mut due = Instant::now() + interval;
                loop {
                    sleep_until(due).await;
                    // A failure to ask Redis does not cost a whole interval.
                    let settled =
                        !duty().includes(job) || self.attempt(job).await != Attempt::Unasked;
                    due = Instant::now() + if settled { interval } else { RETRY.min(interval) };
                }
            })
        });
        tokio::join!(starting, join_all(recurring));
    }

    async fn attempt(&self, job: &Job) -> Attempt {
        // What panicked would do so again at once; it is left until it is due again.
        let Some(flown) = guarded(job.name, self.fly(job, Trigger::Due)).await else {
            return Attempt::Done;
        };
        match flown {
            Ok(Flight::Ran(last)) if last.failed.is_some() => Attempt::Open,
            Ok(Flight::Ran(_) | Flight::Lately) => Attempt::Done,
            Ok(Flight::Elsewhere(_) | Flight::Busy) => Attempt::Open,
            Err(error) => {
                tracing::warn!(%error, job = job.name, "a background job has to wait");
                Attempt::Unasked
            }
        }
    }
}
