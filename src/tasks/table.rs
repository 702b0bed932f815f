//! All background jobs: what each does, how often, and beside whom.

use std::time::Duration;

/// One job.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// Name in commands, logs and Redis.
    pub name: &'static str,
    /// What it does.
    pub does: &'static str,
    /// How often; nothing: only at start.
    pub every: Every,
    /// Whether it runs when the service starts, in the order of the table.
    pub at_start: bool,
    /// Whether it runs while the legacy service is there.
    pub beside: Beside,
}

/// How often a job is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// Only when the service starts.
    Start,
    /// After so many seconds.
    Seconds(u64),
    /// After `CLEANUP_INTERVAL`.
    Cleanup,
}

/// Whether a job runs while the legacy service is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// In `primary` crs does it as well, so that the legacy service may be stopped at any moment. Both at
    /// once do no harm: each write is a single field, under the legacy lock where there is one.
    Primary,
    /// Only without a legacy service, or in `standalone`: once per takeover, or not to be done twice.
    Alone,
}

/// Name of the job that tries accounts.
pub(super) const ACCOUNT_TESTS: &str = "account-test";

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

const fn at_start(name: &'static str, does: &'static str) -> Job {
    Job { name, does, every: Every::Start, at_start: true, beside: Beside::Alone }
}

const fn rank(name: &'static str, does: &'static str, seconds: u64) -> Job {
    Job { name, does, every: Every::Seconds(seconds), at_start: true, beside: Beside::Primary }
}

const fn upkeep(name: &'static str, does: &'static str, every: Every, at_start: bool) -> Job {
    Job { name, does, every, at_start, beside: Beside::Primary }
}

/// Every job; those at start run in this order.
pub const JOBS: [Job; 15] = [
    at_start("migrate", "brings data of older versions up to date"),
    at_start("sessions", "removes administrators' sessions that no login made"),
    at_start("cost-init", "computes costs that are missing from the tokens counted"),
    at_start("weekly-costs", "fills missing weekly costs from the days of the week"),
    rank("cost-rank-today", "ranks keys by their cost of today", 10 * MINUTE),
    rank("cost-rank-7days", "ranks keys by their cost of seven days", 30 * MINUTE),
    rank("cost-rank-30days", "ranks keys by their cost of thirty days", HOUR),
    rank("cost-rank-all", "ranks keys by their cost since ever", 2 * HOUR),
    at_start("key-index", "completes the key map and builds outdated key indexes anew"),
    at_start("leftovers", "removes queue locks and counters that would never expire"),
    upkeep(
        "recovery",
        "returns accounts whose limits, quotas or stops are over; refreshes tokens of waiting ones",
        Every::Seconds(5 * MINUTE),
        true,
    ),
    upkeep(
        "cleanup",
        "switches off expired keys, gives accounts in error another chance, repairs missing expiries",
        Every::Cleanup,
        false,
    ),
    upkeep("leases", "drops slots whose holders died", Every::Seconds(MINUTE), false),
    upkeep(
        "queue-locks",
        "removes message-queue locks that would never expire",
        Every::Seconds(MINUTE),
        false,
    ),
    Job {
        name: ACCOUNT_TESTS,
        does: "tries the accounts whose scheduled test is due",
        every: Every::Seconds(MINUTE),
        at_start: false,
        beside: Beside::Alone,
    },
];

/// The job of that name.
pub fn find(name: &str) -> Option<&'static Job> {
    JOBS_REF.iter().find(|job| job.name == name)
}

const JOBS_REF: &[Job] = &JOBS;

impl Job {
    /// How long until it is due again; nothing for those that run at start only.
    pub fn interval(&self, cleanup: Duration) -> Option<Duration> {
        match self.every {
            Every::Start => None,
            Every::Seconds(seconds) => Some(Duration::from_secs(seconds)),
            Every::Cleanup => Some(cleanup),
        }
    }
}
