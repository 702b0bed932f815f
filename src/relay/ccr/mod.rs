//! The CCR relay: providers behind models with the `ccr,` prefix (contract/anthropic.md §5.2).
//!
//! Unlike console accounts' answers, theirs pass as they are, errors included.

mod plain;
mod stream;

use super::Relay;
