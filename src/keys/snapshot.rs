//! An API key as it stood when it was read.

use std::sync::Arc;

use compat::record::ApiKey;

use crate::domain::ApiKeyId;

/// A validated key. Shared by the requests of the next few milliseconds; counters are never part of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiKeySnapshot {
    /// Id.
    pub id: ApiKeyId,
    /// The record.
    pub record: ApiKey,
    /// When it was read, epoch milliseconds.
    pub read_at_ms: i64,
}

impl ApiKeySnapshot {
    pub(super) fn new(record: ApiKey, read_at_ms: i64) -> Arc<Self> {
        Arc::new(Self { id: ApiKeyId::from(record.id.as_str()), record, read_at_ms })
    }

    /// Whether only listed clients may use it.
    pub(super) fn restricts_clients(&self) -> bool {
        self.record.enable_client_restriction && !self.record.allowed_clients.is_empty()
    }

    /// Whether it may only be used with Claude Code.
    pub(super) fn is_claude_code_only(&self) -> bool {
        self.record.enable_client_restriction && self.record.allowed_clients == ["claude_code"]
    }
}
