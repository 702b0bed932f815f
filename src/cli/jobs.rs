//! `crs jobs`: the background jobs, what they did last, and one of them now.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::Context;
use clap::Subcommand;
use compat::{
    clock::{Clock, iso},
    store::{RedisConfig, RedisStore},
};
use serde_json::{Value, json};
use tokio::runtime::Builder;

use super::{Output, demo};
use crate::{
    app,
    config::Config,
    tasks::{Beside, Flight, JOBS, Job, Last, find, last_runs},
};

/// Longest wait for one Redis call.
const PATIENCE: Duration = Duration::from_secs(5);
/// Stands for all jobs that run at start.
const START: &str = "start";

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List the jobs: how often each runs, when and where it ran last, what it did.
    List,
    /// Run one job now, and say what it did.
    ///
    /// `start` runs everything that a start of the service does. A job that another instance is running at
    /// this moment is left to it.
    #[command(after_help = "Examples:\n  crs jobs run recovery\n  crs jobs run start\n\n\
                            Exit codes: 0 done, 1 failed or busy elsewhere, 64 wrong settings or \
                            arguments.")]
    Run {
        /// Name of the job, see `crs jobs list`.
        name: String,
        /// Distance of the job's clock from the real one, for tests of days to come.
        #[arg(long, default_value_t = 0, hide = true, allow_hyphen_values = true)]
        shift_ms: i64,
    },
}

/// Runs the command.
///
/// # Errors
/// When settings cannot be used, Redis cannot be asked, or a job failed or runs elsewhere.
pub(super) fn run(dir: &Path, action: Action, output: &Output) -> anyhow::Result<()> {
    let mut config = demo::config(dir)?;
    config.service.data_dir = dir.join(&config.service.data_dir);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    match action {
        Action::List => runtime.block_on(list(&config, output)),
        Action::Run { name, shift_ms } => {
            let jobs: Vec<&'static Job> = match find(&name) {
                Some(job) => vec![job],
                None if name == START => JOBS.iter().filter(|job| job.at_start).collect(),
                None => anyhow::bail!("there is no job {name}; `crs jobs list` names them"),
            };
            let ran = runtime.block_on(app::run_jobs(config, &jobs, shift_ms))?;
            show_runs(&ran, output)
        }
    }
}

async fn list(config: &Config, output: &Output) -> anyhow::Result<()> {
    let redis = RedisConfig { timeout: PATIENCE, ..app::redis_config(config) };
    let store = RedisStore::open(&redis)?;
    let last = last_runs(&store).await.with_context(|| app::no_redis(config))?;
    let now_ms = Clock::system().now_ms();
    output.line(&format!("{:<17} {:<8} {:<22} {}", "JOB", "EVERY", "LAST", "DID"));
    for job in &JOBS {
        let (when, did) = last.get(job.name).map_or_else(
            || ("-".to_owned(), String::new()),
            |last| (ago(now_ms - last.at_ms), told(last)),
        );
        output.line(&format!("{:<17} {:<8} {when:<22} {did}", job.name, pace(job, config)));
    }
    if config.sidecar.legacy_url.is_some() {
        output.line(
            "\nWhile CRS_LEGACY_URL is set, the Node service does this work: crs joins in from phase \
             primary on and does all of it in standalone.",
        );
    }
    output.value(&json!({ "jobs": as_json(config, &last) }));
    Ok(())
}

fn as_json(config: &Config, last: &BTreeMap<String, Last>) -> Vec<Value> {
    let jobs = JOBS.iter().map(|job| {
        let interval = job.interval(config.limits.cleanup_interval);
        json!({
            "name": job.name,
            "does": job.does,
            "atStart": job.at_start,
            "intervalSeconds": interval.map(|interval| interval.as_secs()),
            "besideNode": job.beside == Beside::Primary,
            "last": last.get(job.name).map(last_json),
        })
    });
    jobs.collect()
}

fn last_json(last: &Last) -> Value {
    json!({
        "at": iso(last.at_ms), "instance": last.instance, "tookMs": last.took_ms,
        "did": last.did, "failed": last.failed,
    })
}

fn show_runs(ran: &[(&'static Job, Flight)], output: &Output) -> anyhow::Result<()> {
    let mut bad = Vec::new();
    let mut shown = Vec::new();
    for (job, flight) in ran {
        let (line, value) = match flight {
            Flight::Ran(last) | Flight::Elsewhere(last) => {
                if last.failed.is_some() {
                    bad.push(job.name);
                }
                (told(last), last_json(last))
            }
            Flight::Busy => {
                bad.push(job.name);
                ("another instance is at it".to_owned(), json!({ "busy": true }))
            }
            Flight::Lately => ("done lately".to_owned(), json!({ "lately": true })),
        };
        output.line(&format!("{:<17} {line}", job.name));
        shown.push(json!({ "name": job.name, "run": value }));
    }
    output.value(&json!({ "jobs": shown }));
    anyhow::ensure!(bad.is_empty(), "not done: {}", bad.join(", "));
    Ok(())
}

fn told(last: &Last) -> String {
    match (&last.failed, &last.did) {
        (Some(error), _) => format!("FAILED: {error}"),
        (None, Some(did)) => did.clone(),
        (None, None) => "nothing to do".to_owned(),
    }
}

fn pace(job: &Job, config: &Config) -> String {
    match job.interval(config.limits.cleanup_interval).map(|interval| interval.as_secs()) {
        None => START.to_owned(),
        Some(seconds) if seconds >= 3600 && seconds % 3600 == 0 => format!("{} h", seconds / 3600),
        Some(seconds) if seconds >= 60 => format!("{} min", seconds / 60),
        Some(seconds) => format!("{seconds} s"),
    }
}

fn ago(ms: i64) -> String {
    match ms / 1000 {
        seconds if seconds < 120 => format!("{seconds} s ago"),
        seconds if seconds < 7200 => format!("{} min ago", seconds / 60),
        seconds if seconds < 172_800 => format!("{} h ago", seconds / 3600),
        seconds => format!("{} d ago", seconds / 86_400),
    }
}
