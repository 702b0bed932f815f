//! A plain RESP2 client: commands in, replies out, pipelined. No reconnecting, no typing.

use anyhow::{Context, Result, anyhow, bail};
use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream},
    net::TcpStream,
};

/// One command: name and arguments.
pub type Command = Vec<Vec<u8>>;

/// One reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Nil,
    Int(i64),
    Bytes(Vec<u8>),
    Status(String),
    Error(String),
    List(Vec<Reply>),
}

impl Reply {
    /// Bytes of a bulk or status reply.
    pub fn bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Status(text) => Some(text.into_bytes()),
            Self::Int(number) => Some(number.to_string().into_bytes()),
            _ => None,
        }
    }

    /// Members of an array reply; empty for anything else.
    pub fn list(self) -> Vec<Self> {
        match self {
            Self::List(items) => items,
            _ => Vec::new(),
        }
    }

    /// Reply as text, lossy.
    pub fn text(self) -> String {
        self.bytes().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

/// Builds a command from text parts.
pub fn command<S: AsRef<[u8]>>(parts: impl IntoIterator<Item = S>) -> Command {
    parts.into_iter().map(|part| part.as_ref().to_vec()).collect()
}

/// Where a Redis listens and which database to use.
#[derive(Clone, Debug)]
pub struct Address {
    pub host: String,
    pub port: u16,
    pub password: String,
    pub database: u32,
}

impl Address {
    /// Reads `redis://[:password@]host[:port][/db]`, or bare `host:port`.
    pub fn parse(text: &str) -> Result<Self> {
        let text = if text.contains("://") { text.to_owned() } else { format!("redis://{text}") };
        let url = url::Url::parse(&text).with_context(|| format!("not a Redis address: {text}"))?;
        Ok(Self {
            host: url.host_str().unwrap_or("127.0.0.1").to_owned(),
            port: url.port().unwrap_or(6379),
            password: url.password().unwrap_or_default().to_owned(),
            database: url.path().trim_matches('/').parse().unwrap_or(0),
        })
    }
}

/// One connection.
pub struct Redis {
    stream: BufStream<TcpStream>,
}

impl Redis {
    pub async fn connect(address: &Address) -> Result<Self> {
        let stream = TcpStream::connect((address.host.as_str(), address.port))
            .await
            .with_context(|| format!("Redis at {}:{}", address.host, address.port))?;
        stream.set_nodelay(true)?;
        let mut redis = Self { stream: BufStream::new(stream) };
        if !address.password.is_empty() {
            redis.call(command(["AUTH", &address.password])).await?;
        }
        if address.database != 0 {
            redis.call(command(["SELECT", &address.database.to_string()])).await?;
        }
        Ok(redis)
    }

    /// Sends one command; an error reply is an error.
    pub async fn call(&mut self, command: Command) -> Result<Reply> {
        let shown = command.iter().map(|part| String::from_utf8_lossy(part).into_owned());
        let shown = shown.collect::<Vec<_>>().join(" ");
        match self.pipeline(vec![command]).await?.pop() {
            Some(Reply::Error(error)) => Err(anyhow!("Redis: {error} ({shown})")),
            Some(reply) => Ok(reply),
            None => bail!("Redis gave no reply"),
        }
    }

    /// Sends commands together and reads as many replies.
    pub async fn pipeline(&mut self, commands: Vec<Command>) -> Result<Vec<Reply>> {
        for command in &commands {
            self.stream.write_all(format!("*{}\r\n", command.len()).as_bytes()).await?;
            for part in command {
                self.stream.write_all(format!("${}\r\n", part.len()).as_bytes()).await?;
                self.stream.write_all(part).await?;
                self.stream.write_all(b"\r\n").await?;
            }
        }
        self.stream.flush().await?;
        let mut replies = Vec::with_capacity(commands.len());
        for _ in &commands {
            replies.push(self.read().await?);
        }
        Ok(replies)
    }

    fn read(&mut self) -> BoxFuture<'_, Result<Reply>> {
        async move {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await? == 0 {
                bail!("Redis closed the connection");
            }
            let line = line.trim_end_matches(['\r', '\n']);
            let (kind, rest) = line.split_at_checked(1).context("empty Redis reply")?;
            Ok(match kind {
                "+" => Reply::Status(rest.to_owned()),
                "-" => Reply::Error(rest.to_owned()),
                ":" => Reply::Int(rest.parse()?),
                "$" => {
                    let length: i64 = rest.parse()?;
                    if length < 0 {
                        return Ok(Reply::Nil);
                    }
                    let mut bytes = vec![0; usize::try_from(length)? + 2];
                    self.stream.read_exact(&mut bytes).await?;
                    bytes.truncate(bytes.len() - 2);
                    Reply::Bytes(bytes)
                }
                "*" => {
                    let count: i64 = rest.parse()?;
                    if count < 0 {
                        return Ok(Reply::Nil);
                    }
                    let mut items = Vec::new();
                    for _ in 0..count {
                        items.push(self.read().await?);
                    }
                    Reply::List(items)
                }
                other => bail!("unknown Redis reply type {other:?}"),
            })
        }
        .boxed()
    }
}
