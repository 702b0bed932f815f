//! Where the listening socket comes from: handed over by whoever started the process, or opened.

use anyhow::{Context, ensure};
use listenfd::ListenFd;
use tokio::net::{TcpListener, TcpSocket, lookup_host};

use crate::config::Config;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 4096;

/// The listener: the one handed over by the system (`LISTEN_FDS`), else one on `HOST` and `PORT`.
///
/// # Errors
/// When there is none to be had.
pub async fn open(config: &Config) -> anyhow::Result<TcpListener> {
    let mut handed = ListenFd::from_env();
    if handed.len() > 0 {
        ensure!(handed.len() == 1, "{} sockets were handed over, one is expected", handed.len());
        let listener = handed
            .take_tcp_listener(0)
            .context("the socket that was handed over (LISTEN_FDS) is no TCP listener")?
            .context("the socket that was handed over (LISTEN_FDS) is taken already")?;
        listener.set_nonblocking(true)?;
        return Ok(TcpListener::from_std(listener)?);
    }
    let (host, port) = (config.server.host.as_str(), config.server.port);
    let told = || format!("cannot listen on {host}:{port}");
    if !config.sidecar.reuse_port {
        return TcpListener::bind((host, port)).await.with_context(told);
    }
    let address = lookup_host((host, port)).await.with_context(told)?.next().with_context(told)?;
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let socket = socket.with_context(told)?;
    socket.set_reuseaddr(true)?;
    #[cfg(unix)]
    socket.set_reuseport(true)?;
    socket.bind(address).with_context(told)?;
    socket.listen(BACKLOG).with_context(told)
}
