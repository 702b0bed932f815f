//! What the kernel and Redis tell: processor time, memory, commands.

use std::{collections::HashMap, fs, time::Duration};

use anyhow::{Context, Result};
use compat::store::{Cmd, RedisStore, Store};

/// Processor time of a process and its children that still run.
pub fn cpu_time(pid: u32) -> Duration {
    let mut ticks = ticks_of(pid).map_or(0, |(ticks, _)| ticks);
    for child in children_of(pid) {
        ticks += ticks_of(child).map_or(0, |(ticks, _)| ticks);
    }
    // Linux reports in hundredths of a second on every architecture we run on.
    Duration::from_millis(ticks * 10)
}

/// Memory of a process, in megabytes.
#[derive(Clone, Copy, Debug)]
pub struct Resident {
    /// All that is resident.
    pub all: f64,
    /// Of it what is the process's own; the rest is pages of its executable and libraries.
    pub own: f64,
}

/// Resident memory now.
pub fn resident(pid: u32) -> Option<Resident> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let megabytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kilobytes / 1024.0)
    };
    Some(Resident { all: megabytes("VmRSS:")?, own: megabytes("RssAnon:")? })
}

/// `cores × processor`, for the report.
pub fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| rest.trim_start_matches(['\t', ' ', ':']));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{cores} × {model}")
}

/// Calls per command since the server started, this program's own left out.
pub async fn commands(store: &RedisStore) -> Result<HashMap<String, u64>> {
    let reply = store.run(Cmd::new("INFO").arg("commandstats").into()).await?;
    let text = reply.into_iter().next().context("no reply to INFO")?.text()?.unwrap_or_default();
    Ok(text
        .lines()
        .filter_map(|line| {
            let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            let calls = rest.split(',').next()?.parse().ok()?;
            Some((name.to_owned(), calls))
        })
        .filter(|(name, _)| !matches!(name.as_str(), "info" | "ping"))
        .collect())
}

/// Calls between two readings.
pub fn difference(
    before: &HashMap<String, u64>,
    after: &HashMap<String, u64>,
) -> Vec<(String, u64)> {
    let mut grown: Vec<_> = after
        .iter()
        .map(|(name, calls)| (name.clone(), calls - before.get(name).unwrap_or(&0)))
        .filter(|(_, calls)| *calls > 0)
        .collect();
    grown.sort_by_key(|(_, calls)| std::cmp::Reverse(*calls));
    grown
}

fn ticks_of(pid: u32) -> Option<(u64, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; fields are counted after it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let parent = fields.get(1)?.parse().ok()?;
    let user: u64 = fields.get(11)?.parse().ok()?;
    let system: u64 = fields.get(12)?.parse().ok()?;
    Some((user + system, parent))
}

fn children_of(pid: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|child| ticks_of(*child).is_some_and(|(_, parent)| parent == pid))
        .collect()
}
