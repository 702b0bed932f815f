//! Keys: what crs keeps for itself. They match no legacy pattern (contract/redis.md §k.9).

use super::keys;

keys! {
    /// The rollout record as JSON; the only own key without an expiry besides its history.
    const ROLLOUT = "crs:rs:rollout";
    /// Past rollout records as JSON, newest first, capped.
    const ROLLOUT_HISTORY = "crs:rs:rollout:history";
    /// Instance that tells operators of a version of the rollout; a day.
    fn rollout_told(version) = "crs:rs:rollout:told:{version}";
    /// What a running crs says of itself, as JSON.
    fn instance(instance_id) = "crs:rs:instance:{instance_id}";
    /// Ids of running instances by last sign of life in epoch milliseconds.
    const INSTANCES = "crs:rs:instances";
    /// What background jobs did last: job to JSON.
    const JOBS = "crs:rs:jobs";
    /// Held while a background job runs.
    fn job_lock(job) = "crs:rs:job:{job}:lock";
    /// There from the end of a background job until it may be due again.
    fn job_done(job) = "crs:rs:job:{job}:done";
    /// Instructions of the last genuine Codex client; thirty days.
    const CODEX_INSTRUCTIONS = "crs:rs:codex:instructions";
    /// Last batch of a usage journal that was booked.
    fn usage_journal(name, journal_id) = "crs:rs:journal:{name}:{journal_id}";
}
