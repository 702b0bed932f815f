//! `CONNECT` through an HTTP or HTTPS proxy, for plain targets too, as the legacy service's agent does.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{
    SendError,
    SendErrorKind::Proxy,
    failure::{self, Operation},
    host_map::Endpoint,
    socks::decoded_credentials,
};
use crate::domain::ProxyConfig;

/// Largest head of a proxy's answer.
const MAX_HEAD: usize = 64 * 1024;

/// The proxy's word on `CONNECT`.
pub(super) enum Tunnel {
    /// The connection now leads to the target.
    Open,
    /// Anything but status 200: what was read so far. The legacy service lets the client's request be
    /// answered by it, and the request itself is never sent to the proxy.
    Refused(Bytes),
}

/// Asks for a tunnel to `target`.
pub(super) async fn open<S>(
    io: &mut S,
    proxy: &ProxyConfig,
    target: &Endpoint,
    keep_alive: bool,
) -> Result<Tunnel, SendError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let head = connect_head(proxy, target, keep_alive);
    let written = io.write_all(head.as_bytes()).await;
    written.map_err(|error| failure::socket(Operation::Write, error.kind()))?;
    let _flushed = io.flush().await;

    let mut answer = Vec::with_capacity(1024);
    let end = loop {
        let count = io
            .read_buf(&mut answer)
            .await
            .map_err(|error| failure::socket(Operation::Read, error.kind()))?;
        if count == 0 {
            let message = "Proxy connection ended before receiving CONNECT response";
            return Err(SendError::new(Proxy, message));
        }
        if let Some(end) = memchr::memmem::find(&answer, b"\r\n\r\n") {
            break end;
        }
        if answer.len() > MAX_HEAD {
            return Err(SendError::new(Proxy, "Proxy answered CONNECT with an endless head"));
        }
    };
    if status(&answer[..end]) == Some(200) {
        // Bytes after the head are dropped; a target has no reason to speak first.
        return Ok(Tunnel::Open);
    }
    Ok(Tunnel::Refused(Bytes::from(answer)))
}

fn connect_head(proxy: &ProxyConfig, target: &Endpoint, keep_alive: bool) -> String {
    let authority = target.authority();
    let authorization = authorization(proxy)
        .map_or_else(String::new, |value| format!("Proxy-Authorization: {value}\r\n"));
    let keep = if keep_alive { "Keep-Alive" } else { "close" };
    format!(
        "CONNECT {authority} HTTP/1.1\r\n{authorization}Host: {authority}\r\n\
         Proxy-Connection: {keep}\r\n\r\n"
    )
}

/// How the proxy is told who asks.
pub(super) fn authorization(proxy: &ProxyConfig) -> Option<String> {
    let (user, password) = decoded_credentials(proxy)?;
    Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    std::str::from_utf8(line.split(|byte| *byte == b' ').nth(1)?).ok()?.parse().ok()
}
