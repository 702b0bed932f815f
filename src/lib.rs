//! crs: a relay that takes over a running claude-relay-service.
//!
//! Map, from the socket inwards:
//! - `api`: every HTTP path, the only axum code; renders errors by client dialect.
//! - `relay`: one request's life in phases (admit, choose, build, send, stream, settle).
//! - `keys`, `schedule`, `accounts`, `billing`: what the phases ask.
//! - `platform`: one module per vendor, pure; `wire`: vendors' formats, pure.
//! - `upstream`: outbound HTTP. `compat` (own package): the Redis contract.
//! - `sidecar`: what stands between clients and the legacy service while it is there.
//! - `rollout`: who answers, Node or crs; `identity`: administrators; `notify`: what operators are told.
//! - `config`, `cli`, `tasks`, `app`: settings, commands, background work, assembly.

pub mod accounts;
pub mod api;
pub mod app;
pub mod billing;
pub mod cli;
pub mod config;
pub mod domain;
pub mod error;
pub mod identity;
pub mod keys;
pub mod logs;
pub mod notify;
pub mod platform;
pub mod relay;
pub mod rollout;
pub mod schedule;
pub mod sidecar;
pub mod tasks;
pub mod upstream;
pub mod wire;
