//! Account records, one type per kind (contract/redis.md §b).
//!
//! Secrets stay encrypted in the records; open them with the kind's [`Service`](crate::crypto::Service).

mod azure_openai;
mod bedrock;
mod ccr;
mod claude_console;
mod claude_official;
mod droid;
mod gemini;
mod gemini_api;
mod openai;
mod openai_responses;

pub use azure_openai::AzureOpenAi;
pub use bedrock::{Bedrock, BedrockCredentials};
pub use ccr::Ccr;
pub use claude_console::ClaudeConsole;
pub use claude_official::ClaudeOfficial;
pub use droid::{Droid, DroidKey};
pub use gemini::Gemini;
pub use gemini_api::GeminiApi;
pub use openai::OpenAi;
pub use openai_responses::OpenAiResponses;
