//! The console relay: accounts of Anthropic-compatible providers (contract/anthropic.md §5.1).

mod plain;
mod stream;

use super::Relay;
