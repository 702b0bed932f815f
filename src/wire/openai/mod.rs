//! OpenAI's Responses format on both sides of the relay (`contract/openai-azure-droid.md §2.1, §3, §4`):
//! what is changed in requests, what names a conversation, usage out of answers, errors for clients.
//!
//! Pure. Whether a rule applies to a request is its caller's business.

pub mod adapt;
pub mod data;
pub mod events;
pub mod gather;
pub mod image;
pub mod session;
pub mod usage;
