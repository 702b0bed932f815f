//! A TCP proxy whose answers arrive late. Put before Redis, it makes sequential round trips countable:
//! each one delays the upstream request by the lag.

use std::{net::SocketAddr, time::Duration};

use anyhow::Result;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep_until},
};

/// A running proxy; ends with the value.
pub struct Lag {
    /// Where it listens.
    pub address: SocketAddr,
    task: AbortHandle,
}

impl Lag {
    /// Forwards to `server`, answers later by `lag`.
    pub async fn start(server: SocketAddr, lag: Duration) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            let mut links = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                links.spawn(async move {
                    // A broken link shows on both sides anyway.
                    let _ = link(client, server, lag).await;
                });
            }
        })
        .abort_handle();
        Ok(Self { address, task })
    }
}

impl Drop for Lag {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn link(client: TcpStream, server: SocketAddr, lag: Duration) -> Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    // Bounded by what Redis answers to requests in flight; reading must not wait for the lag.
    let (queue, mut late) = mpsc::channel::<(Instant, Vec<u8>)>(4_096);
    let requests = async { tokio::io::copy(&mut from_client, &mut to_server).await.map(|_| ()) };
    let answers = async {
        loop {
            let mut bytes = Vec::with_capacity(16 * 1024);
            if from_server.read_buf(&mut bytes).await? == 0 {
                return Ok::<(), std::io::Error>(());
            }
            let _ = queue.send((Instant::now() + lag, bytes)).await;
        }
    };
    let delivery = async {
        while let Some((due, bytes)) = late.recv().await {
            sleep_until(due).await;
            to_client.write_all(&bytes).await?;
        }
        Ok::<(), std::io::Error>(())
    };
    tokio::select! {
        done = requests => done?,
        done = answers => done?,
        done = delivery => done?,
    }
    Ok(())
}
