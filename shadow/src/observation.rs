//! What one implementation did with one request.
//!
//! Sizes are bounded by whoever fills an observation: [`Body::kept`] keeps at most
//! [`limits::BODY`] bytes of a body and says how many were left out; a plane whose bodies were cut is
//! reported as not compared rather than as equal.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{body::Body, difference::Plane};

/// The most of everything that an observation holds.
pub mod limits {
    /// Bytes of one body. Larger ones are cut, and their plane is not compared.
    pub const BODY: usize = 4 * 1024 * 1024;
    /// Upstream exchanges of one request (retries included). More are dropped with a gap.
    pub const EXCHANGES: usize = 16;
    /// Headers of one message.
    pub const HEADERS: usize = 512;
    /// Reasons for one account choice.
    pub const REASONS: usize = 200;
}

/// Header names and values in order, names as spelled.
pub type Headers = Vec<(String, String)>;

/// Everything that can be compared about one request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Observation {
    /// The request itself.
    pub request: RequestFacts,
    /// Let in or not.
    pub admission: Admission,
    /// The chosen account; `None` when none was chosen or nobody knows (see `gaps`).
    pub account: Option<AccountChoice>,
    /// Requests to the vendor in order, with their answers; `None` when nobody knows.
    pub upstream: Option<Vec<UpstreamExchange>>,
    /// What the client got; `None` when nobody knows.
    pub response: Option<Response>,
    /// Net change by Redis key, `{key: {"type": …, "fields": {f: {"+": n} | {"=": v}}, "ttl": ms}}`;
    /// `None` when nobody knows.
    pub effects: Option<Value>,
    /// How long it took.
    pub timing: Timing,
    /// Where this comes from.
    pub source: Source,
    /// What is not whole.
    pub gaps: Vec<Gap>,
}

/// What the client asked for, as far as it says which requests are alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestFacts {
    /// Id of the trace.
    pub id: String,
    /// Arrival, milliseconds since 1970.
    pub arrived_ms: i64,
    /// Method.
    pub method: String,
    /// Path and query as sent.
    pub path: String,
    /// The path without ids, e.g. `/api/v1/messages`.
    pub route: String,
    /// Id of the API key.
    pub key_id: Option<String>,
    /// Model as asked for.
    pub model: Option<String>,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// Whether the client names its session (`metadata.user_id`).
    pub session: bool,
    /// Kind of client, e.g. `claude-code`.
    pub client: Option<String>,
}

/// Let in or not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Admission {
    /// Nobody knows.
    #[default]
    Unknown,
    /// Let in.
    Admitted,
    /// Turned away.
    Rejected {
        /// Status.
        status: u16,
        /// Body of the refusal.
        body: Body,
    },
}

/// The chosen account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountChoice {
    /// Account type, e.g. `claude-official`.
    pub kind: String,
    /// Account id.
    pub id: String,
    /// Platform.
    pub platform: String,
    /// Why this one and none of the others, as far as it is known. Not compared.
    pub reasons: Vec<String>,
}

/// One request to the vendor and its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UpstreamExchange {
    /// Method.
    pub method: String,
    /// Absolute URL with the vendor's host.
    pub url: String,
    /// Headers as sent.
    pub headers: Headers,
    /// Body as sent.
    pub body: Body,
    /// Scheme, host and port of the proxy it went through, without credentials; [`DIRECT`] without one;
    /// `None` when nobody knows.
    pub proxy: Option<String>,
    /// The vendor's answer. Needed to replay; not compared.
    pub answer: Option<UpstreamAnswer>,
}

/// In the place of a proxy where there is none.
pub const DIRECT: &str = "direct";

/// What the vendor answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UpstreamAnswer {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: Headers,
    /// Body as it came, compressed where it was.
    pub body: Body,
    /// Code and message when the exchange failed.
    pub failure: Option<(String, String)>,
}

/// What the client got.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Response {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: Headers,
    /// Body.
    pub body: Body,
    /// False when the answer broke off or the client left.
    pub complete: bool,
}

/// How long it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Timing {
    /// To the first byte of the answer, microseconds.
    pub ttfb_us: Option<u64>,
    /// To its end, microseconds.
    pub total_us: Option<u64>,
}

impl Timing {
    /// From durations.
    pub fn new(ttfb: Option<Duration>, total: Option<Duration>) -> Self {
        let micros = |d: Duration| u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
        Self { ttfb_us: ttfb.map(micros), total_us: total.map(micros) }
    }
}

/// Where the control's side of the story comes from, weakest first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Decisions only; there was no reply to use.
    #[default]
    Dry,
    /// The answer to the client stood in for the vendor's.
    Echo,
    /// The tap saw exchanges and Redis commands.
    Tap,
}

impl Source {
    /// Name as written in rules and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dry => "dry",
            Self::Echo => "echo",
            Self::Tap => "tap",
        }
    }
}

/// Something that was lost or cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The plane it spoils; `None` spoils all that the tap reports.
    #[serde(default)]
    pub plane: Option<Plane>,
    /// Why.
    pub why: String,
}

impl Observation {
    /// Whether the vendor's last answer broke off, as far as is known.
    pub fn upstream_cut(&self) -> bool {
        let last = self.upstream.as_ref().and_then(|exchanges| exchanges.last());
        last.and_then(|exchange| exchange.answer.as_ref()).is_some_and(|a| a.failure.is_some())
    }

    /// Why a plane of this side cannot be compared, when it cannot.
    pub fn gap(&self, plane: Plane) -> Option<&str> {
        let traced = matches!(plane, Plane::UpstreamRequest | Plane::Effects | Plane::Account);
        self.gaps
            .iter()
            .find(|gap| gap.plane.map_or(traced, |spoiled| spoiled == plane))
            .map(|gap| gap.why.as_str())
    }
}
