//! Connections to Node: opened, kept between exchanges, newest used first.

use std::{
    collections::VecDeque,
    io,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::net::TcpStream;

use super::failure::{Failure, FailureKind};
use crate::config::LegacyUrl;

/// Most idle connections; the one that waited longest is closed for another.
const MAX_IDLE: usize = 512;
/// Idle connections are closed after this; Node keeps them ten times as long.
const KEEP: Duration = Duration::from_secs(60);

/// Idle connections and where new ones go.
pub(super) struct Pool {
    url: LegacyUrl,
    connect_timeout: Duration,
    idle: Mutex<VecDeque<(TcpStream, Instant)>>,
}

impl Pool {
    pub fn new(url: LegacyUrl, connect_timeout: Duration) -> Self {
        Self { url, connect_timeout, idle: Mutex::default() }
    }

    /// An idle connection on which nothing happened since.
    pub fn take(&self) -> Option<TcpStream> {
        loop {
            let (stream, since) = self.idle.lock().pop_back()?;
            if since.elapsed() > KEEP {
                // The others have waited even longer.
                let expired = std::mem::take(&mut *self.idle.lock());
                drop(expired);
                return None;
            }
            let silent = stream.try_read(&mut [0; 1]);
            if silent.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
                return Some(stream);
            }
        }
    }

    pub fn put(&self, stream: TcpStream) {
        let mut idle = self.idle.lock();
        let closed = if idle.len() >= MAX_IDLE { idle.pop_front() } else { None };
        idle.push_back((stream, Instant::now()));
        let expired = match idle.front() {
            Some((_, since)) if since.elapsed() > KEEP => idle.pop_front(),
            _ => None,
        };
        drop(idle);
        drop((closed, expired));
    }

    pub async fn open(&self) -> Result<TcpStream, Failure> {
        let address = (self.url.host.as_str(), self.url.port);
        let opened = tokio::time::timeout(self.connect_timeout, TcpStream::connect(address)).await;
        match opened {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                Ok(stream)
            }
            Ok(Err(cause)) => Err(Failure { kind: FailureKind::Unreachable, cause: Some(cause) }),
            Err(_) => Err(FailureKind::ConnectTimeout.into()),
        }
    }
}
