//! Background jobs run on demand: what a scenario's `job` means to either service.
//!
//! The legacy service is started with `tests/conform/jobs.cjs`, which keeps its timers back and runs
//! them when it is told to; `crs` has `crs jobs run`.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// One job by the name that `crs` gives it.
pub struct Job {
    pub name: &'static str,
    /// What to ask of the legacy service, in order; nothing means a start of the whole service.
    orders: fn(&str) -> Vec<Value>,
}

const MINUTE: u64 = 60_000;
const HOUR: u64 = 3_600_000;

/// Jobs that scenarios may name. What follows a colon is for the legacy service, which tests single
/// accounts: `account-test:id/claude/model`.
pub const JOBS: [Job; 11] = [
    Job { name: "start", orders: |_| Vec::new() },
    Job {
        name: "recovery",
        orders: |_| vec![call("services/rateLimitCleanupService", "performCleanup", &[])],
    },
    Job { name: "cleanup", orders: |_| vec![json!({ "timer": "app.js", "ms": HOUR })] },
    Job { name: "leases", orders: |_| vec![json!({ "timer": "app.js", "ms": MINUTE })] },
    Job {
        name: "queue-locks",
        orders: |_| vec![json!({ "timer": "userMessageQueueService.js", "ms": MINUTE })],
    },
    Job { name: "cost-rank-today", orders: |_| vec![rank("today")] },
    Job { name: "cost-rank-7days", orders: |_| vec![rank("7days")] },
    Job { name: "cost-rank-30days", orders: |_| vec![rank("30days")] },
    Job { name: "cost-rank-all", orders: |_| vec![rank("all")] },
    Job {
        name: "weekly-costs",
        orders: |_| {
            let service = "services/weeklyClaudeCostInitService";
            vec![call(service, "backfillCurrentWeekClaudeCosts", &[])]
        },
    },
    Job {
        name: "account-test",
        orders: |argument| {
            let arguments: Vec<&str> = argument.split('/').collect();
            vec![call("services/accountTestSchedulerService", "triggerTest", &arguments)]
        },
    },
];

fn call(module: &str, method: &str, arguments: &[&str]) -> Value {
    json!({ "call": module, "method": method, "args": arguments })
}

fn rank(range: &str) -> Value {
    call("services/costRankService", "updateRank", &[range])
}

/// The job and what it is handed.
pub fn find(text: &str) -> Result<(&'static Job, &str)> {
    let (name, argument) = text.split_once(':').unwrap_or((text, ""));
    let job = JOBS.iter().find(|job| job.name == name);
    Ok((job.with_context(|| format!("unknown job {name}"))?, argument))
}

impl Job {
    /// What to ask of the legacy service; nothing means a start.
    pub fn orders(&self, argument: &str) -> Vec<Value> {
        (self.orders)(argument)
    }
}

/// Has a legacy service that was started with the preload do something, to its end.
pub async fn order(port: u16, order: &Value) -> Result<Value> {
    let body = order.to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer of the job")?;
    // Node cuts longer answers into chunks; ours are short.
    let body = body.lines().find(|line| line.starts_with('{')).unwrap_or(body);
    if !head.contains(" 200 ") {
        bail!("{order}: {body}");
    }
    let answer: Value = serde_json::from_str(body).with_context(|| body.to_owned())?;
    if answer["ran"] == json!(0) {
        bail!("{order}: the service has no such timer");
    }
    Ok(answer)
}
