//! `crs doctor`: a read-only audit of a live legacy Redis and of the operator's settings.
//!
//! Walks the database with cursors and pipelines, so that the service beside it keeps its speed. It
//! sends no command that writes. Secrets are tried, never shown.

mod beside;
mod census;
mod check;
mod indexes;
mod instructions;
mod notices;
mod process;
mod reading;
mod records;
mod references;
mod render;
mod report;
mod secrets;
mod settings;
mod surroundings;
#[cfg(test)]
mod tests;
mod usage;
mod values;

use std::{path::Path, time::Duration};

use anyhow::{Context, anyhow};
use compat::{
    catalogue::Catalogue,
    crypto::Vault,
    store::{Cmd, RedisConfig, RedisStore, Reply, Store, StoreError},
};

use super::{
    Output, demo,
    progress::{self, Progress},
};
use crate::config::Config;
use beside::Beside;
use census::Census;
#[cfg(test)]
use check::Check;
use records::Records;
pub use report::DoctorReport;
use report::Findings;
use secrets::Secrets;
pub use settings::SettingsReport;

/// Found something to mend.
const FINDINGS: u8 = 1;
/// Could not run.
const COULD_NOT_RUN: u8 = 2;

/// How thorough an audit is.
#[derive(Clone, Copy, Debug)]
pub struct DoctorOptions {
    /// Places shown per finding.
    pub examples: usize,
    /// Keys per pattern whose values are looked into. Keys, accounts, groups and users are all read.
    pub values_per_pattern: usize,
}

impl Default for DoctorOptions {
    fn default() -> Self {
        Self { examples: 5, values_per_pattern: 200 }
    }
}

/// What was read, for checks of one thing against another.
#[derive(Clone, Copy)]
struct Data<'a> {
    store: &'a dyn Store,
    catalogue: &'a Catalogue,
    census: &'a Census,
    records: &'a Records,
}

/// Audits a database. `settings` is the comparison with `config/config.js`.
///
/// # Errors
/// [`StoreError`] when Redis does not answer.
pub async fn run(
    store: &dyn Store,
    vault: &Vault,
    settings: SettingsReport,
    options: DoctorOptions,
    progress: Progress,
) -> Result<DoctorReport, StoreError> {
    let start = std::time::Instant::now();
    let catalogue = Catalogue::new();
    let mut findings = Findings::new(options.examples);
    let redis_version = version(store).await?;
    let census = Census::take(store, &catalogue, &mut findings, &progress).await?;
    let mut secrets = Secrets::new(vault);
    let records = Records::read(store, &census, &mut secrets, &mut findings, &progress).await?;
    let per_pattern = options.values_per_pattern;
    values::check(store, &catalogue, &census, per_pattern, &mut findings).await?;
    let data = Data { store, catalogue: &catalogue, census: &census, records: &records };
    indexes::check(data, &mut findings).await?;
    usage::check(data, &mut findings).await?;
    references::check(data, &mut findings).await?;
    notices::check(store, &mut findings).await?;
    settings.report(&mut findings);
    let secrets = secrets.finish(&mut findings);
    Ok(DoctorReport {
        redis_version,
        keys: census.total,
        own_keys: census.own,
        unknown_keys: census.unknown,
        elapsed: start.elapsed(),
        areas: census.areas,
        secrets,
        findings: findings.into_sorted(),
        settings,
        beside: None,
    })
}

/// The command: audits what the settings in `dir` point to and prints the report. Exit code 0 when
/// there is nothing to mend, 1 when there is, 2 when the audit could not run.
pub(super) fn main(dir: &Path, output: &Output) -> u8 {
    match audit(dir, output) {
        Ok(report) if report.is_clean() => 0,
        Ok(_) => FINDINGS,
        Err(error) => {
            output.error(&error);
            COULD_NOT_RUN
        }
    }
}

fn audit(dir: &Path, output: &Output) -> anyhow::Result<DoctorReport> {
    let (source, dir) = demo::source(dir)?;
    let config = Config::load(&*source, &dir)?;
    let vault = crate::app::vault(&config.security);
    let redis = RedisConfig {
        // An audit may wait longer than a client.
        timeout: config.redis.timeout.max(Duration::from_secs(5)),
        ..crate::app::redis_config(&config)
    };
    let place = format!("{}:{}/{}", redis.host, redis.port, redis.db);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        let settings = SettingsReport::read(&dir, &*source).await;
        let store = RedisStore::open(&redis)?;
        let progress = Progress::new(output.is_terminal());
        let options = DoctorOptions::default();
        let mut report = run(&store, &vault, settings, options, progress).await?;
        let mut findings = Findings::new(options.examples);
        report.beside = Beside::look(&config, &dir, &mut findings).await;
        instructions::check(&config, &dir, &store, &mut findings).await?;
        surroundings::check(&config, &mut findings);
        report.add(findings);
        Ok::<_, StoreError>(report)
    });
    let report =
        report.map_err(|error| anyhow!(error)).with_context(|| format!("cannot audit {place}"))?;
    output.line(render::render(&report, &place).trim_end());
    output.value(&report.to_json());
    Ok(report)
}

/// The server's version; also the first sign of life.
async fn version(store: &dyn Store) -> Result<String, StoreError> {
    let reply = store.run(Cmd::new("INFO").arg("server").into()).await?.pop();
    if let Some(Reply::Error(message)) = &reply {
        // A server that asks for a password, most likely.
        return Err(StoreError::Unreachable(message.clone()));
    }
    let info = reply.map(Reply::text).transpose()?.flatten().unwrap_or_default();
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
    Ok(version.unwrap_or("of unknown version").trim().to_owned())
}
