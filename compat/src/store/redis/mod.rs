//! [`Store`] over a real Redis.
//!
//! One multiplexed connection per store: batches of many callers interleave on it. Nothing waits
//! longer than the command timeout; a batch that failed is not sent again unless that is harmless.
//! RESP2, so that replies have one shape on every server version.

mod config;
mod connection;
mod convert;
mod scripts;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::BoxFuture};
use redis::aio::ConnectionLike;

use self::{connection::Link, scripts::Scripts};
use super::{Batch, Cmd, Reply, Store, StoreError};

pub use config::RedisConfig;

/// The two connections of one process: short reads never queue behind a large settle pipeline.
#[derive(Clone)]
pub struct RedisStores {
    /// For what a client waits for.
    pub hot: Arc<RedisStore>,
    /// For settle writes, reports and jobs.
    pub bulk: Arc<RedisStore>,
}

impl RedisStores {
    /// Prepares both connections without waiting for them; they are made on first use.
    ///
    /// # Errors
    /// When the settings cannot describe a connection.
    pub fn open(config: &RedisConfig) -> Result<Self, StoreError> {
        Ok(Self {
            hot: Arc::new(RedisStore::open(config)?),
            bulk: Arc::new(RedisStore::open(config)?),
        })
    }
}

/// One Redis connection that mends itself.
pub struct RedisStore {
    link: Link,
    scripts: Scripts,
    timeout: Duration,
    tally: Tally,
}

#[derive(Default)]
struct Tally {
    round_trips: AtomicU64,
    commands: AtomicU64,
    failures: AtomicU64,
    timeouts: AtomicU64,
    reloads: AtomicU64,
}

/// What a store has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreCounters {
    /// Batches sent, including repeated ones.
    pub round_trips: u64,
    /// Commands in them.
    pub commands: u64,
    /// Batches that failed, timeouts included.
    pub failures: u64,
    /// Batches without an answer in time.
    pub timeouts: u64,
    /// Scripts sent again because the server had forgotten them.
    pub script_reloads: u64,
    /// Connections given up and made anew.
    pub reconnects: u64,
}

// === impl RedisStore ===

impl RedisStore {
    /// Prepares a connection; it is made on first use.
    ///
    /// # Errors
    /// When the settings cannot describe a connection.
    pub fn open(config: &RedisConfig) -> Result<Self, StoreError> {
        Ok(Self {
            link: Link::new(config)?,
            scripts: Scripts::default(),
            timeout: config.timeout,
            tally: Tally::default(),
        })
    }

    /// Asks the server for a sign of life and measures how long that took.
    ///
    /// # Errors
    /// When there is no connection or no answer in time.
    pub async fn ping(&self) -> Result<Duration, StoreError> {
        let start = Instant::now();
        match self.run(Cmd::new("PING").into()).await?.pop() {
            Some(Reply::Data(_)) => Ok(start.elapsed()),
            Some(Reply::Error(message)) => Err(StoreError::Unreachable(message)),
            other => Err(StoreError::Shape(format!("{other:?} to PING"))),
        }
    }

    /// Figures for metrics and tests.
    pub fn counters(&self) -> StoreCounters {
        let read = |n: &AtomicU64| n.load(Ordering::Relaxed);
        StoreCounters {
            round_trips: read(&self.tally.round_trips),
            commands: read(&self.tally.commands),
            failures: read(&self.tally.failures),
            timeouts: read(&self.tally.timeouts),
            script_reloads: read(&self.tally.reloads),
            reconnects: self.link.reconnects(),
        }
    }

    async fn run_batch(&self, batch: Batch) -> Result<Vec<Reply>, StoreError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let harmless = batch.repeatable || batch.cmds.iter().all(is_read);
        let work = async {
            let mut replies = match self.attempt(&batch).await {
                // A server that restarted while the connection was idle shows only at the next send.
                Err(StoreError::Unreachable(_)) if harmless => self.attempt(&batch).await?,
                other => other?,
            };
            self.reload_forgotten(&batch, &mut replies).await?;
            Ok(replies)
        };
        let outcome = match tokio::time::timeout(self.timeout, work).await {
            Ok(outcome) => outcome,
            Err(_) => Err(StoreError::Timeout),
        };
        match &outcome {
            Ok(_) => self.link.answered(),
            Err(error) => {
                self.tally.failures.fetch_add(1, Ordering::Relaxed);
                if matches!(error, StoreError::Timeout) {
                    self.tally.timeouts.fetch_add(1, Ordering::Relaxed);
                    self.link.silent();
                }
            }
        }
        outcome
    }

    async fn attempt(&self, batch: &Batch) -> Result<Vec<Reply>, StoreError> {
        self.tally.round_trips.fetch_add(1, Ordering::Relaxed);
        self.tally.commands.fetch_add(batch.cmds.len() as u64, Ordering::Relaxed);
        let mut pipeline = redis::Pipeline::with_capacity(batch.cmds.len());
        let mut sent_whole = Vec::new();
        for cmd in &batch.cmds {
            // Inside MULTI a forgotten script would fail alone while its neighbours take effect, so
            // there the text always travels along.
            let (packed, whole) = convert::pack(cmd, &self.scripts, batch.atomic);
            pipeline.add_command(packed);
            sent_whole.extend(whole);
        }
        let mut manager = self.link.current()?;
        let count = batch.cmds.len();
        let answer = if batch.atomic {
            pipeline.atomic();
            manager.req_packed_commands(&pipeline, count + 1, 1).await
        } else {
            manager.req_packed_commands(&pipeline, 0, count).await
        };
        let values = answer.map_err(|error| self.link.failed(&error))?;
        let replies = if batch.atomic {
            convert::exec(values, count)?
        } else {
            convert::replies(values, count)?
        };
        for script in sent_whole {
            self.scripts.mark_loaded(script);
        }
        Ok(replies)
    }

    /// Runs again, with their text, the script calls that the server did not know. They had no effect.
    async fn reload_forgotten(
        &self,
        batch: &Batch,
        replies: &mut [Reply],
    ) -> Result<(), StoreError> {
        let forgotten: Vec<usize> = replies
            .iter()
            .enumerate()
            .filter(
                |(_, reply)| matches!(reply, Reply::Error(text) if text.starts_with("NOSCRIPT")),
            )
            .map(|(at, _)| at)
            .collect();
        if forgotten.is_empty() {
            return Ok(());
        }
        self.tally.reloads.fetch_add(forgotten.len() as u64, Ordering::Relaxed);
        self.scripts.forget_all();
        let again: Batch = forgotten.iter().filter_map(|&at| batch.cmds.get(at).cloned()).collect();
        let answers = self.attempt(&again).await?;
        for (at, answer) in forgotten.into_iter().zip(answers) {
            if let Some(slot) = replies.get_mut(at) {
                *slot = answer;
            }
        }
        Ok(())
    }
}

impl Store for RedisStore {
    fn run(&self, batch: Batch) -> BoxFuture<'_, Result<Vec<Reply>, StoreError>> {
        self.run_batch(batch).boxed()
    }
}

/// Whether the command only reads.
fn is_read(cmd: &Cmd) -> bool {
    const READS: &[&str] = &[
        "GET",
        "MGET",
        "HGET",
        "HMGET",
        "HGETALL",
        "HLEN",
        "HEXISTS",
        "HKEYS",
        "HSCAN",
        "EXISTS",
        "TTL",
        "PTTL",
        "TYPE",
        "STRLEN",
        "SMEMBERS",
        "SISMEMBER",
        "SCARD",
        "SSCAN",
        "ZCARD",
        "ZSCORE",
        "ZRANGE",
        "ZREVRANGE",
        "ZRANGEBYSCORE",
        "ZCOUNT",
        "LRANGE",
        "LLEN",
        "XLEN",
        "XRANGE",
        "XREVRANGE",
        "SCAN",
        "KEYS",
        "DBSIZE",
        "PING",
        "INFO",
        "TIME",
    ];
    matches!(cmd, Cmd::Words(_)) && READS.iter().any(|name| cmd.name().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests;
