//! Background jobs of several instances on one Redis.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    harness::redis::{Reply, command},
    place::{Crs, Home, Place, until},
};

/// How often an instance has run each job.
async fn runs(crs: &Crs) -> BTreeMap<String, u64> {
    let mut stream = TcpStream::connect(("127.0.0.1", crs.port)).await.unwrap();
    let request = "GET /metrics/prometheus HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let lines = answer.lines().filter_map(|line| line.strip_prefix("crs_job_runs_total{job=\""));
    let counted = lines.filter_map(|line| {
        let (job, rest) = line.split_once('"')?;
        Some((job.to_owned(), rest.rsplit(' ').next()?.trim().parse().ok()?))
    });
    counted.collect()
}

/// What the jobs did last, by name.
async fn last(place: &Place) -> BTreeMap<String, Value> {
    let reply = place.redis().await.call(command(["HGETALL", "crs:rs:jobs"])).await;
    let mut texts = reply.unwrap().list().into_iter().map(Reply::text);
    let mut jobs = BTreeMap::new();
    while let (Some(job), Some(text)) = (texts.next(), texts.next()) {
        jobs.insert(job, serde_json::from_str(&text).unwrap());
    }
    jobs
}

/// A legacy service that is in good health and does nothing else.
async fn legacy() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 2048];
            let _ = stream.read(&mut head).await;
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    url
}

/// Two instances start at once: what is due at intervals runs in one of them; an account whose limit is over
/// comes back; and neither repeats it within the interval.
#[tokio::test]
async fn a_job_runs_once_for_two_instances() {
    let place = Place::seeded(json!({
        "accounts": { "a": {
            "rateLimitedAt": "${iso:-7200}", "rateLimitStatus": "limited", "schedulable": "false",
            "rateLimitAutoStopped": "true", "rateLimitEndAt": "${iso:-60}"
        } }
    }))
    .await;
    let port = place.redis_addr().port();
    let homes = ["one", "two"].map(|name| Home::new(&place, port, &[("CRS_INSTANCE", name)]));
    let (one, two) = tokio::join!(homes[0].start(), homes[1].start());
    until("every job at start has run", async || {
        let jobs = last(&place).await;
        jobs.contains_key("recovery") && jobs.contains_key("leftovers")
    })
    .await;
    // Long enough for the other to have tried as well.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let id = place.run().account_id("a");
    let account = format!("claude:account:{id}");
    assert_eq!(place.ask(["HGET", &account, "schedulable"]).await, "true");
    assert_eq!(place.ask(["HGET", &account, "rateLimitStatus"]).await, "");

    let (first, second) = (last(&place).await, [runs(&one).await, runs(&two).await]);
    for job in
        ["recovery", "cost-rank-today", "cost-rank-7days", "cost-rank-30days", "cost-rank-all"]
    {
        let runs: u64 = second.iter().filter_map(|runs| runs.get(job)).sum();
        assert_eq!(runs, 1, "{job}: {second:?}");
        assert_eq!(first[job]["failed"], Value::Null, "{job}");
    }
    assert_eq!(first["recovery"]["did"], "1 account returned");

    // A third instance finds everything done.
    let third = Home::new(&place, port, &[("CRS_INSTANCE", "three")]).start().await;
    until("the third has looked", async || runs(&third).await.contains_key("key-index")).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(runs(&third).await.get("recovery"), None);
    assert_eq!(last(&place).await["recovery"], first["recovery"]);
}

/// While the legacy service has the work, crs leaves it alone.
#[tokio::test]
async fn jobs_are_left_to_the_legacy_service() {
    let place = Place::usual().await;
    let port = place.redis_addr().port();
    let legacy = legacy().await;
    let env = [("CRS_LEGACY_URL", legacy.as_str())];
    let crs = Home::new(&place, port, &env).start().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(runs(&crs).await, BTreeMap::new());
    assert_eq!(last(&place).await, BTreeMap::new());
    assert_eq!(place.ask(["EXISTS", "cost_rank_meta:today"]).await, "0");
}

/// An instance was killed in the middle of a job that runs at a start only: the next one does it, once the lock
/// of the dead has ended.
#[tokio::test]
async fn what_a_killed_instance_began_is_done_by_the_next() {
    let place = Place::usual().await;
    let lock = place.ask(["SET", "crs:rs:job:migrate:lock", "dead", "PX", "4000"]).await;
    assert_eq!(lock, "OK");
    let port = place.redis_addr().port();
    let crs = Home::new(&place, port, &[]).start().await;
    until("others do not wait for it", async || last(&place).await.contains_key("leftovers")).await;
    assert!(!last(&place).await.contains_key("migrate"));
    until("it is done", async || last(&place).await.contains_key("migrate")).await;
    assert_eq!(last(&place).await["migrate"]["failed"], Value::Null);
    assert_eq!(runs(&crs).await.get("migrate"), Some(&1));
}

/// Redis takes no writes when the service starts: nothing passes for done, the service lives, and everything is
/// done once Redis is as it should be.
#[tokio::test]
async fn jobs_wait_for_a_redis_that_takes_writes() {
    let place = Place::seeded(json!({
        "accounts": { "a": {
            "rateLimitedAt": "${iso:-7200}", "rateLimitStatus": "limited", "schedulable": "false",
            "rateLimitAutoStopped": "true", "rateLimitEndAt": "${iso:-60}"
        } }
    }))
    .await;
    let account = format!("claude:account:{}", place.run().account_id("a"));
    place.ask(["DEL", "system:migration:usage_index_v2"]).await;
    // A replica of nobody: reads are answered, writes refused.
    place.ask(["CONFIG", "SET", "replica-read-only", "yes"]).await;
    assert_eq!(place.ask(["REPLICAOF", "127.0.0.1", "1"]).await, "OK");
    let port = place.redis_addr().port();
    let mut crs = Home::new(&place, port, &[]).start().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(place.ask(["HGET", &account, "rateLimitStatus"]).await, "limited");
    assert_eq!(place.ask(["EXISTS", "system:migration:usage_index_v2"]).await, "0");
    assert!(crs.health().await.contains_key("status"));
    place.ask(["REPLICAOF", "NO", "ONE"]).await;
    until("the account returns", async || {
        place.ask(["HGET", &account, "rateLimitStatus"]).await.is_empty()
    })
    .await;
    until("all is done", async || last(&place).await.contains_key("leftovers")).await;
    assert_eq!(place.ask(["EXISTS", "system:migration:usage_index_v2"]).await, "1");
    crs.terminate();
    assert!(crs.ended().await.success());
}
