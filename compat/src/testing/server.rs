//! A `redis-server` child process.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::store::{Batch, Cmd, RedisConfig, RedisStore, Reply, Store, StoreError};

/// How long a command of a test may take; a machine that does much else is slow.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running `redis-server` (of `REDIS_SERVER_BIN`, else from the path); killed when dropped.
pub struct TestRedis {
    child: Option<Child>,
    dir: PathBuf,
    port: u16,
}

impl TestRedis {
    /// Starts a server on a free loopback port and waits until it answers.
    ///
    /// # Panics
    /// When it cannot be started.
    #[expect(clippy::panic, reason = "a test without its server must fail")]
    pub fn spawn() -> Self {
        for _ in 0..20 {
            let Some(port) = free_port() else { continue };
            let dir =
                std::env::temp_dir().join(format!("crs-redis-{port}-{}", uuid::Uuid::new_v4()));
            if std::fs::create_dir_all(&dir).is_err() {
                continue;
            }
            let mut server = Self { child: None, dir, port };
            if server.start() {
                return server;
            }
        }
        panic!("redis-server did not start; is it installed?")
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Settings that reach it.
    pub fn config(&self) -> RedisConfig {
        RedisConfig { port: self.port, ..RedisConfig::default() }
    }

    /// A new, patient connection to it.
    ///
    /// # Panics
    /// When the settings are refused.
    #[expect(clippy::expect_used, reason = "tests")]
    pub fn store(&self) -> RedisStore {
        let config = RedisConfig { timeout: PATIENCE, ..self.config() };
        RedisStore::open(&config).expect("loopback settings are valid")
    }

    /// Kills the server; its data is gone.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts a stopped server again on the same port, empty. Tells whether it answers.
    pub fn start(&mut self) -> bool {
        self.stop();
        let binary = std::env::var("REDIS_SERVER_BIN").unwrap_or_else(|_| "redis-server".into());
        let spawned = Command::new(binary)
            .args([
                "--port",
                &self.port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .args(["--databases", "16", "--loglevel", "warning", "--dir"])
            .arg(&self.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = spawned else { return false };
        self.child = Some(child);
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if pings(self.addr()) && self.is_alive() {
                return true;
            }
            if !self.is_alive() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    fn is_alive(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Shorthand for tests: one command given as words.
impl RedisStore {
    /// Runs one command and returns its reply.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn words(&self, words: &[&str]) -> Result<Reply, StoreError> {
        let words =
            words.iter().map(|word| bytes::Bytes::copy_from_slice(word.as_bytes())).collect();
        let mut replies = self.run(Batch::from(Cmd::Words(words))).await?;
        replies.pop().ok_or_else(|| StoreError::Shape("no reply".into()))
    }
}

fn free_port() -> Option<u16> {
    Some(TcpListener::bind(("127.0.0.1", 0)).ok()?.local_addr().ok()?.port())
}

fn pings(addr: SocketAddr) -> bool {
    let Ok(mut socket) = TcpStream::connect_timeout(&addr, Duration::from_millis(200)) else {
        return false;
    };
    let _ = socket.set_read_timeout(Some(Duration::from_millis(500)));
    let mut answer = [0; 7];
    socket.write_all(b"PING\r\n").is_ok()
        && socket.read_exact(&mut answer).is_ok()
        && &answer == b"+PONG\r\n"
}
