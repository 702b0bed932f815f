//! One dialect as another: requests, whole answers, streams.
//!
//! One file per direction. Everything here is a pure function of what it is given; ids and moments come
//! from the caller. The results are those of the legacy service, also for input that no client should
//! send; what a conversion leaves out stands in [`dropped`] with its reason.
//!
//! | from | to | file |
//! |---|---|---|
//! | completion request (`prompt`) | chat request | `prompt_to_chat` |
//! | chat request | Messages request | `chat_to_anthropic` |
//! | Messages answer, events, error | chat completion, chunks, error | `anthropic_to_chat` |
//! | chat request | request of the Responses API | `chat_to_responses` |
//! | answer and events of the Responses API | chat completion, chunks | `responses_to_chat` |

pub mod anthropic_to_chat;
mod arguments;
pub mod chat_to_anthropic;
pub mod chat_to_responses;
pub mod dropped;
mod js;
pub mod prompt_to_chat;
pub mod responses_to_chat;
mod tool_names;

#[cfg(test)]
mod tests;

use thiserror::Error;

pub use tool_names::ToolNames;

use super::anthropic::sanitize::SafeError;

/// Why something cannot be converted. The texts hold nothing of the client's.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ConvertError {
    /// A part is missing, or of a kind that the conversion cannot read.
    #[error("{0}")]
    Shape(&'static str),
    /// An image that would have to be fetched first.
    #[error("images are only taken as base64 data")]
    ImageUrl,
    /// Arguments of a tool call that are no JSON. The legacy service lets the words of its JSON parser
    /// decide what the client is told.
    #[error("arguments of a tool call are no JSON")]
    Arguments(SafeError),
}

impl ConvertError {
    /// What the client is told.
    pub fn told(self) -> SafeError {
        match self {
            Self::Arguments(told) => told,
            Self::Shape(_) | Self::ImageUrl => SafeError::of_message(""),
        }
    }
}
