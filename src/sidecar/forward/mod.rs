//! Forwards exchanges to Node as they are: every byte of a body and its framing, every header line in
//! its spelling and order, 1xx answers, trailers, upgrades, and the moment at which either side leaves.
//!
//! Heads are read to know where bodies end, and a few header lines are rewritten ([`rewrite`]); nothing
//! is buffered beyond what one read brings. Nothing here knows a route or a key.

mod collected;
mod download;
mod exchange;
pub mod failure;
pub mod framing;
pub mod head;
mod observe;
mod pool;
pub mod rewrite;
mod shared;
mod stats;
mod tunnel;
mod upload;

use std::{net::IpAddr, time::Duration};

use bytes::BytesMut;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

pub use collected::ForwardedBody;
pub(crate) use collected::own_head;
pub(crate) use exchange::linger;
pub use head::{Framing, HeadError, RequestHead, ResponseHead};
pub use observe::{End, Observer, Trace};

use crate::config::SidecarConfig;
use pool::Pool;
use stats::Stats;

pub use stats::Heard;

/// Forwards to one Node service.
pub struct Forwarder {
    pool: Pool,
    head_timeout: Duration,
    trust_proxy: bool,
    stats: Stats,
}

/// The client's side of an exchange.
pub struct Client<'a> {
    /// Its socket.
    pub stream: &'a mut TcpStream,
    /// What was read from it and belongs to nothing yet: the body's beginning, perhaps the next head.
    pub buffer: &'a mut BytesMut,
}

/// What is known of an exchange beside its bytes.
pub struct Context<'a> {
    /// The client's address.
    pub peer: IpAddr,
    /// Cancelled when the service shall stop: the connection ends after this answer.
    pub stop: &'a CancellationToken,
    /// Whether it is traced.
    pub trace: Option<Trace>,
}

/// What remains of the client's connection after an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Another request may come.
    Kept,
    /// It is over.
    Closed,
}

impl Forwarder {
    /// A forwarder to the service at `config.legacy_url`; `None` without one.
    pub fn new(config: &SidecarConfig, trust_proxy: bool) -> Option<Self> {
        let url = config.legacy_url.clone()?;
        Some(Self {
            pool: Pool::new(url, config.connect_timeout),
            head_timeout: config.head_timeout,
            trust_proxy,
            stats: Stats::new(),
        })
    }

    /// Has `heard` told of each answer of Node.
    #[must_use]
    pub fn telling(mut self, heard: Heard) -> Self {
        self.stats.heard = Some(heard);
        self
    }
}
