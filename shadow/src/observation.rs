//! What one implementation did with one request.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One HTTP message, headers in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpMessage {
    /// Request line (`POST /v1/messages?beta=true`) or status text (`200`).
    pub head: String,
    /// Header names and values in order, names as spelled.
    pub headers: Vec<(String, String)>,
    /// Complete body.
    pub body: Vec<u8>,
}

/// One Redis command that changes data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// Command name and arguments as text; bytes that are not UTF-8 are replaced.
    pub words: Vec<String>,
}

/// Everything that can be compared about one request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Answer to the client.
    pub response: HttpMessage,
    /// Requests to the vendor, in order.
    pub upstream_requests: Vec<HttpMessage>,
    /// Changes to the database, in order.
    pub writes: Vec<Write>,
    /// From the request's arrival to the end of the answer.
    pub elapsed: Duration,
}
