//! Why an administrator's operation was not done, in the words of the legacy admin API.

use std::fmt;

use serde_json::{Map, Value, json};

/// The answer to an operation that was not done: status and body as the admin API sends them. Command
/// lines show the same words.
#[derive(Clone, Debug, PartialEq)]
pub struct Declined {
    /// HTTP status.
    pub status: u16,
    /// `{error, message?, …}`.
    pub body: Map<String, Value>,
}

impl Declined {
    /// Declined with `error` alone.
    pub fn new(status: u16, error: impl Into<String>) -> Self {
        Self { status, body: Map::from_iter([("error".to_owned(), Value::String(error.into()))]) }
    }

    /// The request cannot be carried out as it is (400).
    pub fn invalid(error: impl Into<String>) -> Self {
        Self::new(400, error)
    }

    /// Adds a sentence that says more.
    #[must_use]
    pub fn saying(mut self, message: impl Into<String>) -> Self {
        self.body.insert("message".to_owned(), Value::String(message.into()));
        self
    }

    /// Marks the body with `success: false`, as some routes do.
    #[must_use]
    pub fn unsuccessful(mut self) -> Self {
        self.body.shift_insert(0, "success".to_owned(), json!(false));
        self
    }

    fn word(&self, name: &str) -> Option<&str> {
        self.body.get(name).and_then(Value::as_str)
    }
}

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word("error").unwrap_or("not done"))?;
        match self.word("message") {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

/// What stopped an operation half-way: a considered answer, or a fault that the operation as a whole
/// reports under its own name (see [`Failure::under`]).
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// Sent as it is.
    Declined(Declined),
    /// Text of a fault.
    Fault(String),
}

impl Failure {
    /// A fault with this text.
    pub fn fault(text: impl Into<String>) -> Self {
        Self::Fault(text.into())
    }

    /// The answer to send; a fault becomes a 500 that names the operation.
    pub fn under(self, operation: &str) -> Declined {
        match self {
            Self::Declined(declined) => declined,
            Self::Fault(text) => Declined::new(500, operation).saying(text),
        }
    }
}

impl From<Declined> for Failure {
    fn from(declined: Declined) -> Self {
        Self::Declined(declined)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Fault(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_reported_under_the_operation() {
        let failure = Failure::from(std::io::Error::other("no route"));
        let declined = failure.under("Failed to create Claude account");
        assert_eq!(declined.status, 500);
        assert_eq!(declined.to_string(), "Failed to create Claude account: no route");
        let refused = Failure::from(Declined::invalid("Name is required").unsuccessful());
        let declined = refused.under("Failed");
        assert_eq!(
            Value::Object(declined.body),
            json!({"success": false, "error": "Name is required"})
        );
    }
}
