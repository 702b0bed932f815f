//! Vendors' wire formats, pure: bytes and values in, bytes and values out.
//!
//! Nothing here does I/O, knows an account or decides what a reply means for one.

pub mod anthropic;
pub mod aws_events;
pub mod body;
pub mod body_rules;
pub mod convert;
pub mod json;
pub mod model;
pub mod openai;
pub mod sse;
pub mod text;
