//! A new process takes over the listening socket under load.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{
    Sidecar,
    node::{Plan, Step},
};
use crate::place::{PATIENCE, until};

const FINE: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
const BEGUN: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";

/// One request on a connection of its own.
async fn once(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: h\r\nX-Plan: fine\r\nConnection: close\r\n\r\n")
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// The process that answers now.
async fn pid(port: u16) -> Option<u32> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    stream
        .write_all(b"GET /crs/health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .await
        .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let health: Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
    u32::try_from(health["crs"]["pid"].as_u64()?).ok()
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_refuses_nobody_and_breaks_no_stream() {
    let mut side = Sidecar::start(&[]).await;
    let port = side.crs.port;
    side.node.plan("fine", Plan::bytes(FINE));
    let steps = vec![Step::Send(BEGUN.into()), Step::Gate, Step::Send("0\r\n\r\n".into())];
    let mut streams = Vec::new();
    for n in 0..10 {
        side.node.plan(&format!("stream-{n}"), Plan::steps(steps.clone()));
        let mut client = side.connect().await;
        client.send(format!("GET / HTTP/1.1\r\nHost: h\r\nX-Plan: stream-{n}\r\n\r\n")).await;
        client.expect(BEGUN).await;
        streams.push(client);
    }
    let (served, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let mut load = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (served, over) = (Arc::clone(&served), Arc::clone(&over));
        load.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let answer = timeout(PATIENCE, once(port)).await.unwrap();
                assert_eq!(answer.unwrap(), FINE);
                served.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let mut old = side.crs.pid();
    let first = old;
    // Twice, so that a successor has one too.
    for _ in 0..2 {
        let before = served.load(Ordering::Relaxed);
        until("load", async || served.load(Ordering::Relaxed) > before + 50).await;
        signal(old, Signal::USR2);
        let mut new = None;
        until("the successor", async || {
            new = pid(port).await;
            new.is_some_and(|pid| pid != old)
        })
        .await;
        old = new.unwrap();
        // The old one may still answer beside it for a moment.
        sleep(Duration::from_millis(500)).await;
        assert_eq!(pid(port).await, Some(old));
    }
    over.store(true, Ordering::Relaxed);
    while let Some(ended) = load.join_next().await {
        ended.unwrap();
    }
    for client in &mut streams {
        client.silent().await;
    }
    for client in &mut streams {
        side.node.open();
        sleep(Duration::from_millis(20)).await;
        let _ = client;
    }
    for client in &mut streams {
        client.expect("0\r\n\r\n").await;
    }
    assert_ne!(first, old);
    assert_eq!(side.crs.ended().await.code(), Some(0));
    signal(old, Signal::TERM);
    until("the last to end", async || TcpStream::connect(("127.0.0.1", port)).await.is_err()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_that_fails_leaves_the_old_one_serving() {
    let side = Sidecar::start(&[]).await;
    side.node.plan("fine", Plan::bytes(FINE));
    side.break_settings();
    signal(side.crs.pid(), Signal::USR2);
    until("the failure to be told", async || side.log().contains("did not take over")).await;
    assert_eq!(once(side.crs.port).await.unwrap(), FINE);
    assert_eq!(pid(side.crs.port).await, Some(side.crs.pid()));
}
