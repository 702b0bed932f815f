//! Nothing lost, nothing counted twice.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tokio::{sync::oneshot, time::timeout};

use super::*;
use crate::{
    store::{Batch, Cmd, RedisConfig, RedisStore},
    testing::{CuttingProxy, Fault, TestRedis},
    usage::tests::sample,
};

/// Directory and port for the child of the kill test.
const CHILD: &str = "CRS_TEST_LEDGER_CHILD";

/// Removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("crs-ledger-{}", uuid::Uuid::new_v4())))
    }

    fn config(&self) -> LedgerConfig {
        LedgerConfig { window: Duration::from_millis(5), ..LedgerConfig::new(&self.0) }
    }

    fn entry_files(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.0.join("0")).unwrap();
        files
            .map(|file| file.unwrap().path())
            .filter(|path| path.extension().is_some_and(|suffix| suffix == "entries"))
            .collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(config: LedgerConfig, store: RedisStore) -> Ledger {
    Ledger::open(config, UsageSettings::default(), Arc::new(store)).unwrap()
}

/// Runs the ledger while `work` goes on, then shuts it down.
async fn with_flusher<T>(ledger: &Ledger, work: impl Future<Output = T>) -> T {
    let (stop, stopped) = oneshot::channel::<()>();
    let work = async {
        let done = work.await;
        drop(stop);
        done
    };
    let flusher = ledger.run(async {
        let _ = stopped.await;
    });
    timeout(Duration::from_secs(30), async { tokio::join!(work, flusher).0 }).await.unwrap()
}

async fn count(redis: &TestRedis, cmd: Cmd) -> i64 {
    redis.store().run(Batch::from(cmd)).await.unwrap().remove(0).int().unwrap()
}

async fn requests(redis: &TestRedis) -> i64 {
    let mut batch = Batch::atomic();
    batch.push(Cmd::new("HGET").args(["usage:global:total", "requests"]));
    batch.push(Cmd::new("XLEN").arg("billing:events"));
    let mut replies = redis.store().run(batch).await.unwrap();
    let streamed = replies.remove(1).int().unwrap();
    let counted = replies.remove(0).int().unwrap();
    assert_eq!(counted, streamed, "counters and events agree");
    counted
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[tokio::test]
async fn shutdown_books_what_is_left() {
    let (redis, folder) = (TestRedis::spawn(), Folder::new());
    let slow = LedgerConfig { quiet_delay: Duration::from_secs(60), ..folder.config() };
    let ledger = open(slow, redis.store());
    with_flusher(&ledger, async {
        (0..3).for_each(|n| {
            ledger.append(sample(n));
        });
    })
    .await;
    assert_eq!(requests(&redis).await, 3);
    let status = ledger.status();
    assert_eq!((status.backlog, status.booked, status.flushes), (0, 3, 1));
    let markers = Cmd::new("TTL").arg(format!("crs:rs:journal:default:{}", instance(&folder)));
    assert!(count(&redis, markers).await > 0, "the marker does not stay for ever");
}

fn instance(folder: &Folder) -> String {
    fs::read_to_string(folder.0.join("0/instance")).unwrap()
}

#[tokio::test]
async fn waiting_for_a_ticket_does_not_wait_for_the_window() {
    let (redis, folder) = (TestRedis::spawn(), Folder::new());
    let slow = LedgerConfig { quiet_delay: Duration::from_secs(60), ..folder.config() };
    let ledger = open(slow, redis.store());
    with_flusher(&ledger, async {
        let ticket = ledger.append(sample(1));
        ledger.settled(ticket).await;
        assert_eq!(requests(&redis).await, 1);
        ledger.settled(ticket).await;
        ledger.append(sample(2));
        ledger.flushed().await;
        assert_eq!(requests(&redis).await, 2);
    })
    .await;
}

#[tokio::test]
async fn an_earlier_life_is_booked_once() {
    let (redis, folder) = (TestRedis::spawn(), Folder::new());
    {
        let ledger = open(folder.config(), redis.store());
        (0..10).for_each(|n| {
            ledger.append(sample(n));
        });
    }
    // Half an entry, as a power cut leaves it.
    let file = folder.entry_files().remove(0);
    let mut torn = fs::OpenOptions::new().append(true).open(&file).unwrap();
    torn.write_all(&fs::read(&file).unwrap()[..40]).unwrap();
    let before = folder.0.join("copy");
    copy_dir(&folder.0.join("0"), &before);

    let ledger = open(folder.config(), redis.store());
    assert_eq!(ledger.status().backlog, 1, "an unknown number waits");
    with_flusher(&ledger, async {
        ledger.append(sample(11));
        ledger.flushed().await;
    })
    .await;
    assert_eq!(requests(&redis).await, 11);
    drop(ledger);

    // As if it had died after Redis took the change and before it noted that.
    copy_dir(&before, &folder.0.join("0"));
    let ledger = open(folder.config(), redis.store());
    with_flusher(&ledger, ledger.flushed()).await;
    assert_eq!(requests(&redis).await, 11, "the marker remembers");
}

#[tokio::test]
async fn a_lost_reply_is_not_booked_twice() {
    let (redis, folder) = (TestRedis::spawn(), Folder::new());
    let proxy = CuttingProxy::start(redis.addr()).await.unwrap();
    let config = RedisConfig { port: proxy.addr().port(), ..RedisConfig::default() };
    let ledger = open(folder.config(), RedisStore::open(&config).unwrap());
    with_flusher(&ledger, async {
        let ticket = ledger.append(sample(0));
        ledger.settled(ticket).await;
        for n in 1..4 {
            proxy.set(Fault::LoseReplies);
            let ticket = ledger.append(sample(n));
            while requests(&redis).await != n + 1 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            proxy.set(Fault::None);
            ledger.settled(ticket).await;
        }
    })
    .await;
    assert_eq!(requests(&redis).await, 4);
}

#[tokio::test]
async fn half_a_pipeline_books_nothing_twice() {
    let (redis, folder) = (TestRedis::spawn(), Folder::new());
    let proxy = CuttingProxy::start(redis.addr()).await.unwrap();
    let config = RedisConfig { port: proxy.addr().port(), ..RedisConfig::default() };
    let ledger = open(folder.config(), RedisStore::open(&config).unwrap());
    with_flusher(&ledger, async {
        proxy.set(Fault::CutAfter(6_000));
        let ticket = ledger.append(sample(0));
        while ledger.status().redis_problem.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(requests(&redis).await, 0);
        proxy.set(Fault::None);
        ledger.settled(ticket).await;
    })
    .await;
    assert_eq!(requests(&redis).await, 1);
    assert_eq!(ledger.status().redis_problem, None);
}

#[tokio::test]
async fn an_outage_spills_to_disk_and_passes() {
    let (redis, folder) = (TestRedis::spawn(), Folder::new());
    let proxy = CuttingProxy::start(redis.addr()).await.unwrap();
    let config = RedisConfig { port: proxy.addr().port(), ..RedisConfig::default() };
    let small = LedgerConfig { memory_events: 5, ..folder.config() };
    let ledger = open(small, RedisStore::open(&config).unwrap());
    with_flusher(&ledger, async {
        proxy.set(Fault::Cut);
        (0..60).for_each(|n| {
            ledger.append(sample(n));
        });
        while ledger.status().redis_problem.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(ledger.status().backlog, 60);
        proxy.set(Fault::None);
        ledger.flushed().await;
        (60..70).for_each(|n| {
            ledger.append(sample(n));
        });
        ledger.flushed().await;
    })
    .await;
    assert_eq!(requests(&redis).await, 70);
    let newest = Cmd::new("LINDEX").args(["usage:records:key-1", "0"]);
    let newest = redis.store().run(newest.into()).await.unwrap().remove(0).text().unwrap();
    assert!(newest.unwrap().contains("00:00:00.069Z"), "order is kept");
    let status = ledger.status();
    assert_eq!((status.backlog, status.lost, status.unsaved), (0, 0, 0));
}

#[tokio::test]
async fn a_full_disk_is_seen_and_does_not_stop_booking() {
    let (redis, folder) = (TestRedis::spawn(), Folder::new());
    let tiny = LedgerConfig { disk_bytes: 100, memory_events: 2, ..folder.config() };
    let ledger = open(tiny, redis.store());
    (0..3).for_each(|n| {
        ledger.append(sample(n));
    });
    let status = ledger.status();
    assert_eq!((status.unsaved, status.lost), (2, 1), "the third found no room");
    assert!(status.disk_problem.is_some());
    with_flusher(&ledger, ledger.flushed()).await;
    assert_eq!(requests(&redis).await, 2);
}

#[tokio::test]
async fn processes_share_a_directory() {
    let (redis, folder) = (TestRedis::spawn(), Folder::new());
    let first = open(folder.config(), redis.store());
    let second = open(folder.config(), redis.store());
    first.append(sample(1));
    second.append(sample(2));
    drop(second);
    // The third takes the place of the second, and what it left.
    let third = open(folder.config(), redis.store());
    with_flusher(&third, third.flushed()).await;
    assert_eq!(requests(&redis).await, 1);
    drop(first);
    drop(third);
    // One process alone takes the first place and books what lies in the others.
    {
        let a = open(folder.config(), redis.store());
        let b = open(folder.config(), redis.store());
        b.append(sample(3));
        drop((a, b));
    }
    let alone = open(folder.config(), redis.store());
    with_flusher(&alone, alone.flushed()).await;
    assert_eq!(requests(&redis).await, 3);
}

#[tokio::test]
async fn a_copied_journal_takes_another_name() {
    let (redis, folder, other) = (TestRedis::spawn(), Folder::new(), Folder::new());
    let ledger = open(folder.config(), redis.store());
    with_flusher(&ledger, async {
        ledger.settled(ledger.append(sample(1))).await;
        copy_dir(&folder.0.join("0"), &other.0.join("0"));
        let copy = open(other.config(), redis.store());
        with_flusher(&copy, async {
            copy.settled(copy.append(sample(2))).await;
            ledger.settled(ledger.append(sample(3))).await;
            copy.settled(copy.append(sample(4))).await;
        })
        .await;
    })
    .await;
    assert_eq!(requests(&redis).await, 4);
    assert_ne!(instance(&folder), instance(&other));
}

#[tokio::test]
async fn an_emptied_database_is_filled_on() {
    let (redis, folder) = (TestRedis::spawn(), Folder::new());
    let ledger = open(folder.config(), redis.store());
    with_flusher(&ledger, async {
        ledger.settled(ledger.append(sample(1))).await;
        redis.store().run(Cmd::new("FLUSHALL").into()).await.unwrap();
        ledger.settled(ledger.append(sample(2))).await;
    })
    .await;
    assert_eq!(requests(&redis).await, 1);
}

#[tokio::test]
async fn a_refused_command_does_not_hold_up_the_others() {
    let (redis, folder) = (TestRedis::spawn(), Folder::new());
    let wrong = Cmd::new("SET").args(["usage:key-1", "not a hash"]);
    redis.store().run(wrong.into()).await.unwrap();
    let ledger = open(folder.config(), redis.store());
    with_flusher(&ledger, async {
        ledger.settled(ledger.append(sample(1))).await;
    })
    .await;
    assert_eq!(requests(&redis).await, 1);
    assert_eq!(ledger.status().refused, 1, "the key's total");
}

#[tokio::test]
async fn odd_counter_values_fare_as_with_hincrby() {
    let (redis, folder) = (TestRedis::spawn(), Folder::new());
    let fields = [
        ("totalInputTokens", "9007199254740993", "9007199254741003"),
        ("totalOutputTokens", "4.5", "4.5"),
        ("totalRequests", "-3", "-2"),
        ("totalTokens", "many", "many"),
        ("other", "kept", "kept"),
    ];
    let seed = fields.iter().flat_map(|(field, before, _)| [*field, *before]);
    let seed = Cmd::new("HSET").arg("usage:key-1").args(seed);
    redis.store().run(seed.into()).await.unwrap();
    let ledger = open(folder.config(), redis.store());
    with_flusher(&ledger, async {
        ledger.settled(ledger.append(sample(1))).await;
    })
    .await;
    let read = Cmd::new("HGETALL").arg("usage:key-1");
    let found = redis.store().run(read.into()).await.unwrap().remove(0).map().unwrap();
    for (field, _, after) in fields {
        assert_eq!(found[field], after, "{field}");
    }
    assert_eq!(found["totalAllTokens"], "15");
    assert_eq!(ledger.status().refused, 2, "the two that are no whole numbers");
}

/// Killed at any point, nothing that `append` had taken is lost or counted twice.
#[tokio::test]
async fn kill_dash_nine_loses_nothing() {
    let (redis, folder) = (TestRedis::spawn(), Folder::new());
    let mut taken = 0;
    for round in 1..=3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["usage::ledger::tests::child_appends_until_killed", "--exact", "--nocapture"])
            .env(CHILD, format!("{}:{}", redis.addr().port(), folder.0.display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut reported = 0;
        let is_report = |line: &String| line.starts_with("appended");
        while reported < 100 * round {
            reported += i64::from(lines.next().is_some_and(|line| is_report(&line.unwrap())));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        taken += reported + lines.map_while(Result::ok).filter(is_report).count() as i64;

        let ledger = open(folder.config(), redis.store());
        with_flusher(&ledger, ledger.flushed()).await;
        let booked = requests(&redis).await;
        // The child may have died between taking an event and saying so.
        assert!((taken..=taken + 1).contains(&booked), "{booked} booked of {taken}");
        taken = booked;
    }
}

#[test]
fn child_appends_until_killed() {
    let Ok(place) = std::env::var(CHILD) else { return };
    let (port, dir) = place.split_once(':').unwrap();
    let config = RedisConfig { port: port.parse().unwrap(), ..RedisConfig::default() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let config_ledger =
            LedgerConfig { window: Duration::from_millis(3), ..LedgerConfig::new(dir) };
        let ledger = open(config_ledger, RedisStore::open(&config).unwrap());
        let append = async {
            let mut out = std::io::stdout();
            for n in 0.. {
                ledger.append(sample(n));
                out.write_all(b"appended\n").unwrap();
                out.flush().unwrap();
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
        };
        tokio::join!(append, ledger.run(std::future::pending()));
    });
}
