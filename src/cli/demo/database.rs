//! The demo's own `redis-server`: a child process that keeps nothing.

use std::{
    net::TcpListener,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::Context;
use compat::store::{RedisConfig, RedisStore};
use tokio::time::{Instant, sleep};

/// How long the child may take to answer.
const START: Duration = Duration::from_secs(10);

/// A running child; killed when dropped.
pub(super) struct Database {
    child: Child,
    port: u16,
}

impl Database {
    /// Starts `redis-server` in `dir` on a free port and waits until it answers.
    ///
    /// # Errors
    /// When it is not installed or does not start.
    pub(super) async fn start(dir: &Path) -> anyhow::Result<Self> {
        let port = free_port()?;
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "no", "--dir"])
            .arg(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // Ctrl-C is for the demo, which ends it after the service.
            .process_group(0)
            .spawn()
            .context("redis-server cannot be started; install it (apt-get install redis-server)")?;
        let mut database = Self { child, port };
        let store = RedisStore::open(&database.config())?;
        let deadline = Instant::now() + START;
        while let Err(error) = store.ping().await {
            if let Some(status) = database.child.try_wait()? {
                anyhow::bail!("redis-server ended at once ({status})");
            }
            if Instant::now() > deadline {
                return Err(anyhow::Error::new(error).context("redis-server does not answer"));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(database)
    }

    /// How to reach it.
    pub(super) fn config(&self) -> RedisConfig {
        RedisConfig { port: self.port, ..RedisConfig::default() }
    }

    /// Its port.
    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
pub(super) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
