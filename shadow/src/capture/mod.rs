//! A captured case: both sides, the verdict, and what is needed to do it again.
//!
//! Captures leave memory only redacted and sealed. They are bounded: [`Sealer::seal`] refuses what
//! is larger than [`LARGEST`]; [`Capture::fit`] lets go of what is there twice.

mod file;
mod seal;

use serde::{Deserialize, Serialize};

pub use file::{FileError, Header, read, write};
pub use seal::{OpenError, Sealer};

use crate::{
    body::Body,
    observation::{Headers, Observation},
    redact::Redactor,
    verdict::Verdict,
};

/// Largest capture before sealing, bytes.
pub const LARGEST: usize = 8 * 1024 * 1024;

/// The client's request as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientRequest {
    /// Method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers.
    pub headers: Headers,
    /// Body.
    pub body: Body,
}

/// A captured case.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capture {
    /// Id of the request.
    pub id: String,
    /// When it was captured, milliseconds since 1970.
    pub captured_ms: i64,
    /// Version of `crs` that compared.
    pub version: String,
    /// Whether texts were replaced by stand-ins; replaying such a case may differ by it.
    pub prompts_replaced: bool,
    /// The client's request.
    pub request: ClientRequest,
    /// The legacy service's side; its upstream exchanges hold the vendor's answers.
    pub control: Observation,
    /// The candidate's side.
    pub candidate: Observation,
    /// What it came to.
    pub verdict: Verdict,
    /// Redis reads that the run was answered from, as data of whoever replays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<serde_json::Value>,
}

impl Capture {
    /// Replaces secrets, and prompts when told to. Equal texts of both sides stay equal.
    pub fn redact(&mut self, prompts: bool) {
        let redactor = Redactor::new(prompts);
        self.prompts_replaced |= prompts;
        self.request.path = redactor.url(&self.request.path);
        redactor.headers(&mut self.request.headers);
        redactor.body(&mut self.request.body);
        redactor.observation(&mut self.control);
        redactor.observation(&mut self.candidate);
        if let Some(base) = &mut self.base {
            redactor.value(base);
        }
        for finding in &mut self.verdict.findings {
            redactor.finding(finding);
        }
    }

    /// Lets go of what is there twice: the vendor's answers to the candidate are those to the control,
    /// since they were replayed.
    pub fn fit(&mut self) {
        for exchange in self.candidate.upstream.iter_mut().flatten() {
            exchange.answer = None;
        }
    }
}

#[cfg(test)]
mod tests;
