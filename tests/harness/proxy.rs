//! Scripted outbound proxies: HTTP CONNECT and SOCKS5, both leading to the stand-in.
//!
//! They note how they were asked (target, credentials) and let everyone through.

use std::sync::Arc;

use anyhow::{Result, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use super::http::Reader;

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
    if method != "CONNECT" {
        reader.inner_mut().write_all(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n").await?;
        return Ok(());
    }
    reader.inner_mut().write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    let (early, mut client) = reader.into_parts();
    let mut server = TcpStream::connect(("127.0.0.1", behind)).await?;
    server.write_all(&early).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
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
