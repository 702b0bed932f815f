//! A TCP proxy that cuts, stalls or loses replies on demand.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// How the proxy behaves towards open and new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Everything passes.
    None,
    /// Open connections are closed, new ones closed on arrival.
    Cut,
    /// Connections stay open and nothing passes in either direction.
    Stall,
    /// Requests pass, replies are lost, and the connection is closed when the first would pass: the
    /// commands took effect, and the caller cannot know.
    LoseReplies,
    /// Each connection is closed after this many bytes towards the server, which then has half a
    /// pipeline.
    CutAfter(u64),
}

/// Stands before one server; dropped, it closes everything.
pub struct CuttingProxy {
    addr: SocketAddr,
    fault: watch::Sender<Fault>,
    accepted: Arc<AtomicU64>,
    accept_loop: JoinHandle<()>,
    links: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl CuttingProxy {
    /// Listens on a free loopback port and forwards to `server`.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let (fault, seen) = watch::channel(Fault::None);
        let links: Arc<Mutex<Vec<JoinHandle<()>>>> = Arc::default();
        let accepted = Arc::new(AtomicU64::new(0));
        let (list, count) = (Arc::clone(&links), Arc::clone(&accepted));
        let accept_loop = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let seen = seen.clone();
                list.lock().push(tokio::spawn(async move {
                    let _ = forward(client, server, seen).await;
                }));
            }
        });
        Ok(Self { addr, fault, accepted, accept_loop, links })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Changes the behaviour at once.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for CuttingProxy {
    fn drop(&mut self) {
        self.accept_loop.abort();
        for link in self.links.lock().drain(..) {
            link.abort();
        }
    }
}

async fn forward(
    mut client: TcpStream,
    server: SocketAddr,
    mut fault: watch::Receiver<Fault>,
) -> io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    let (mut from_client, mut from_server) = (vec![0; 65536], vec![0; 65536]);
    let mut passed: u64 = 0;
    loop {
        let now = *fault.borrow_and_update();
        if now == Fault::Cut {
            return Ok(());
        }
        if now == Fault::Stall {
            if fault.changed().await.is_err() {
                return Ok(());
            }
            continue;
        }
        tokio::select! {
            changed = fault.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
            }
            read = client.read(&mut from_client) => {
                let mut n = read?;
                if n == 0 {
                    return Ok(());
                }
                if let Fault::CutAfter(limit) = now {
                    n = n.min(usize::try_from(limit.saturating_sub(passed)).unwrap_or(usize::MAX));
                }
                server.write_all(&from_client[..n]).await?;
                passed += n as u64;
                if matches!(now, Fault::CutAfter(limit) if passed >= limit) {
                    return Ok(());
                }
            }
            read = server.read(&mut from_server) => {
                let n = read?;
                if n == 0 || now == Fault::LoseReplies {
                    return Ok(());
                }
                client.write_all(&from_server[..n]).await?;
            }
        }
    }
}
