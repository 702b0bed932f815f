//! Scripted outbound proxies: HTTP CONNECT and SOCKS5, both leading to the stand-in.
//!
//! They note how they were asked (target, credentials) and let everyone through. The HTTP proxy also hands
//! on requests that it is sent in the open.

use std::sync::Arc;

use anyhow::{Result, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use super::http::{Framing, Head, Reader};

/// What the proxies were asked, in order.
#[derive(Clone, Default)]
pub struct ProxyLog(Arc<Mutex<Vec<Value>>>);

impl ProxyLog {
    pub fn clear(&self) {
        self.0.lock().clear();
    }

    pub fn asked(&self) -> Vec<Value> {
        self.0.lock().clone()
    }

    fn note(&self, asked: Value) {
        self.0.lock().push(asked);
    }
}

/// Starts both proxies; returns their ports (HTTP, SOCKS5).
pub async fn start(log: &ProxyLog, behind_http: u16, behind_socks: u16) -> Result<(u16, u16)> {
    let http = TcpListener::bind("127.0.0.1:0").await?;
    let socks = TcpListener::bind("127.0.0.1:0").await?;
    let ports = (http.local_addr()?.port(), socks.local_addr()?.port());
    let (http_log, socks_log) = (log.clone(), log.clone());
    tokio::spawn(async move {
        while let Ok((stream, _)) = http.accept().await {
            tokio::spawn(serve_http(stream, http_log.clone(), behind_http));
        }
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = socks.accept().await {
            tokio::spawn(serve_socks(stream, socks_log.clone(), behind_socks));
        }
    });
    Ok(ports)
}

async fn serve_http(stream: TcpStream, log: ProxyLog, behind: u16) -> Result<()> {
    let mut reader = Reader::new(stream);
    let Some(head) = reader.head().await? else { return Ok(()) };
    let (method, target) = asked(&head, &log);
    if method == "CONNECT" {
        reader.inner_mut().write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
        let (early, mut client) = reader.into_parts();
        let mut server = TcpStream::connect(("127.0.0.1", behind)).await?;
        server.write_all(&early).await?;
        copy_bidirectional(&mut client, &mut server).await?;
        return Ok(());
    }
    if !target.contains("://") {
        reader.inner_mut().write_all(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n").await?;
        return Ok(());
    }
    // Requests in the open are handed on one by one, as to the host that they name.
    let (early, client) = reader.into_parts();
    let (from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) =
        TcpStream::connect(("127.0.0.1", behind)).await?.into_split();
    let back = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let mut reader = Reader::new(std::io::Cursor::new(early).chain(from_client));
    let mut next = Some(head);
    while let Some(head) = next {
        to_server.write_all(handed_on(&head).as_bytes()).await?;
        let mut framing = Framing::of_request(&head);
        while let Some(piece) = reader.piece(&mut framing).await? {
            to_server.write_all(&piece).await?;
        }
        next = reader.head().await?;
        if let Some(head) = &next {
            asked(head, &log);
        }
    }
    drop(to_server);
    back.await??;
    Ok(())
}

/// Notes a request to the proxy; gives its method and target.
fn asked(head: &Head, log: &ProxyLog) -> (String, String) {
    let mut words = head.first_line.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let credentials = head
        .get("proxy-authorization")
        .and_then(|value| value.strip_prefix("Basic "))
        .and_then(|text| STANDARD.decode(text).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    log.note(json!({
        "kind": "http", "method": method, "target": target, "credentials": credentials
    }));
    (method.to_owned(), target.to_owned())
}

/// The head without what is for the proxy alone. Bodies under a length stay as they are.
fn handed_on(head: &Head) -> String {
    let mut words = head.first_line.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.splitn(4, '/').nth(3).unwrap_or_default();
    let headers =
        head.headers.iter().filter(|(n, _)| !n.eq_ignore_ascii_case("proxy-authorization"));
    let headers: String = headers.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{method} /{path} HTTP/1.1\r\n{headers}\r\n")
}

async fn serve_socks(mut client: TcpStream, log: ProxyLog, behind: u16) -> Result<()> {
    let mut greeting = [0; 2];
    client.read_exact(&mut greeting).await?;
    let mut methods = vec![0; usize::from(greeting[1])];
    client.read_exact(&mut methods).await?;
    let mut credentials = None;
    if methods.contains(&2) {
        client.write_all(&[5, 2]).await?;
        client.read_exact(&mut [0; 1]).await?;
        let user = counted(&mut client).await?;
        let password = counted(&mut client).await?;
        credentials = Some(format!("{user}:{password}"));
        client.write_all(&[1, 0]).await?;
    } else {
        client.write_all(&[5, 0]).await?;
    }
    let mut request = [0; 4];
    client.read_exact(&mut request).await?;
    let (form, host) = match request[3] {
        1 => {
            let mut address = [0; 4];
            client.read_exact(&mut address).await?;
            ("address", address.map(|byte| byte.to_string()).join("."))
        }
        3 => ("name", counted(&mut client).await?),
        other => bail!("SOCKS address type {other}"),
    };
    let port = client.read_u16().await?;
    log.note(json!({
        "kind": "socks5", "form": form, "target": format!("{host}:{port}"),
        "credentials": credentials
    }));
    client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).await?;
    let mut server = TcpStream::connect(("127.0.0.1", behind)).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

async fn counted(stream: &mut TcpStream) -> Result<String> {
    let length = stream.read_u8().await?;
    let mut bytes = vec![0; usize::from(length)];
    stream.read_exact(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
