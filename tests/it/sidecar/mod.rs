//! The sidecar in front of a stand-in for Node that keeps every byte.

mod abort;
mod failure;
pub mod node;
mod passthrough;
pub mod random;
mod restart;
mod upgrade;

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::place::{Crs, Home, PATIENCE, Place};
use node::Node;

/// A stand-in for Node with `crs` in front of it.
pub struct Sidecar {
    pub node: Node,
    pub crs: Crs,
    home: Home,
    _place: Place,
}

impl Sidecar {
    pub async fn start(env: &[(&str, &str)]) -> Self {
        Self::with(Node::start().await, env).await
    }

    pub async fn with(node: Node, env: &[(&str, &str)]) -> Self {
        let place = Place::usual().await;
        let url = node.url();
        let mut all = vec![("CRS_LEGACY_URL", url.as_str())];
        all.extend_from_slice(env);
        let home = Home::new(&place, place.redis_addr().port(), &all);
        let crs = home.start().await;
        Self { node, crs, home, _place: place }
    }

    /// What `crs` printed.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.home.folder.join("output.log")).unwrap()
    }

    /// The next start fails.
    pub fn break_settings(&self) {
        let path = self.home.folder.join(".env");
        let env = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, format!("{env}CRS_LOG_FORMAT=nonsense\n")).unwrap();
    }

    pub async fn connect(&self) -> Wire {
        Wire::connect(self.crs.port).await
    }
}

/// A raw client.
pub struct Wire {
    pub stream: TcpStream,
}

impl Wire {
    pub async fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads exactly so many bytes.
    pub async fn exactly(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        timeout(PATIENCE, self.stream.read_exact(&mut bytes)).await.unwrap().unwrap();
        bytes
    }

    /// Reads these bytes and no others.
    pub async fn expect(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        let mut seen = Vec::new();
        while seen.len() < bytes.len() {
            let mut piece = vec![0; bytes.len() - seen.len()];
            let n = timeout(PATIENCE, self.stream.read(&mut piece)).await;
            let n = n.unwrap_or_else(|_| panic!("no more after {:?}", text(&seen))).unwrap();
            seen.extend_from_slice(&piece[..n]);
            assert!(n > 0 && bytes.starts_with(&seen), "{:?}\nnot {:?}", text(&seen), text(bytes));
        }
    }

    /// Everything until the connection ends, and whether it ended properly.
    pub async fn rest(&mut self) -> (String, bool) {
        let mut seen = Vec::new();
        let ended = timeout(PATIENCE, self.stream.read_to_end(&mut seen)).await.unwrap();
        (text(&seen), ended.is_ok())
    }

    /// Nothing comes for a moment.
    pub async fn silent(&mut self) {
        let read = timeout(Duration::from_millis(100), self.stream.read(&mut [0; 1])).await;
        assert!(read.is_err(), "{read:?}");
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What the sidecar adds for a client on this machine that says `Host: h`.
pub const ADDED: &str =
    "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\n";
