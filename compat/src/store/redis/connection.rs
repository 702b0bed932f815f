//! The connection and its mending.
//!
//! The manager of `redis` reconnects after I/O errors, but keeps a connection that fell silent and a
//! failed login for ever; this layer replaces the manager in those cases.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use parking_lot::RwLock;
use redis::{
    Client, ErrorKind, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use super::RedisConfig;
use crate::store::StoreError;

/// Unanswered batches in a row after which the connection is given up as dead.
const SILENCE_LIMIT: u32 = 2;

pub(super) struct Link {
    client: Client,
    timeout: Duration,
    manager: RwLock<Option<ConnectionManager>>,
    silent: AtomicU32,
    reconnects: AtomicU64,
    broken: AtomicU64,
}

impl Link {
    pub(super) fn new(config: &RedisConfig) -> Result<Self, StoreError> {
        let client = Client::open(config.connection_info()?)
            .map_err(|error| StoreError::Unreachable(error.to_string()))?;
        Ok(Self {
            client,
            timeout: config.timeout,
            manager: RwLock::new(None),
            silent: AtomicU32::new(0),
            reconnects: AtomicU64::new(0),
            broken: AtomicU64::new(0),
        })
    }

    /// The manager to send with; made here because making one needs a running runtime.
    pub(super) fn current(&self) -> Result<ConnectionManager, StoreError> {
        if let Some(manager) = self.manager.read().as_ref() {
            return Ok(manager.clone());
        }
        let mut slot = self.manager.write();
        if let Some(manager) = slot.as_ref() {
            return Ok(manager.clone());
        }
        let made = self.make()?;
        *slot = Some(made.clone());
        Ok(made)
    }

    /// A batch was answered.
    pub(super) fn answered(&self) {
        self.silent.store(0, Ordering::Relaxed);
    }

    /// A batch was not answered in time. A peer that vanished without closing is left behind.
    pub(super) fn silent(&self) {
        if self.silent.fetch_add(1, Ordering::Relaxed) + 1 >= SILENCE_LIMIT {
            self.silent.store(0, Ordering::Relaxed);
            self.replace();
        }
    }

    /// Translates an error of the manager and decides whether to keep it.
    pub(super) fn failed(&self, error: &RedisError) -> StoreError {
        if error.is_timeout() {
            return StoreError::Timeout;
        }
        self.broken.fetch_add(1, Ordering::Relaxed);
        // Anything but an I/O error that fails a whole batch comes from the handshake (wrong password,
        // server still loading): the manager would repeat that answer without trying again.
        match error.kind() {
            ErrorKind::Io => {}
            ErrorKind::Server(redis::ServerErrorKind::ExecAbort) => {
                return StoreError::Shape(error.to_string());
            }
            _ => self.replace(),
        }
        StoreError::Unreachable(error.to_string())
    }

    /// Connections that broke or were given up.
    pub(super) fn reconnects(&self) -> u64 {
        self.reconnects.load(Ordering::Relaxed) + self.broken.load(Ordering::Relaxed)
    }

    fn replace(&self) {
        self.reconnects.fetch_add(1, Ordering::Relaxed);
        *self.manager.write() = None;
    }

    fn make(&self) -> Result<ConnectionManager, StoreError> {
        // No retries inside the manager: each caller learns of an outage at once, and the next call is
        // the next try.
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout))
            .set_pipeline_buffer_size(1024);
        ConnectionManager::new_lazy_with_config(self.client.clone(), config)
            .map_err(|error| StoreError::Unreachable(error.to_string()))
    }
}
