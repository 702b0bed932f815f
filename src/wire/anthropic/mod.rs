//! The Anthropic Messages format: requests, replies and events.

pub mod prompt_similarity;
