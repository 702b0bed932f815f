//! One finished request, ready to be counted. Also the payload of a journal entry, so it holds no
//! prompt, credential or header.

use serde::{Deserialize, Serialize};

/// Everything that counting one request needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UsageEvent {
    /// When the usage became known, epoch ms; decides every date in the keys.
    pub at_ms: i64,
    /// The API key it counts for.
    pub key: KeyRef,
    /// Account that served it.
    pub account_id: Option<String>,
    /// Its kind in legacy spelling, e.g. `claude-official`.
    pub account_type: Option<String>,
    /// Model as recorded (not normalised).
    pub model: String,
    /// Which of the two legacy recorders applies.
    pub recording: Recording,
    /// Token counts.
    pub tokens: TokenCounts,
    /// Whether it counts as a long-context request.
    pub long_context: bool,
    /// Real cost.
    pub cost: CostBreakdown,
    /// Rated cost, USD.
    #[serde(with = "bits")]
    pub rated: f64,
    /// What the key's rate window is charged; `None` when the key has no window.
    pub window: Option<WindowCharge>,
    /// The request, where known.
    pub meta: Option<RequestMeta>,
    /// Set when request details are captured.
    pub detail: Option<DetailCapture>,
}

/// The API key a request counts for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRef {
    /// Record id.
    pub id: String,
    /// Name, for billing events.
    pub name: Option<String>,
    /// Owner, for billing events.
    pub user_id: Option<String>,
    /// Day on which the key's week begins, 1 Monday to 7 Sunday.
    pub weekly_reset_day: i64,
    /// Hour at which the key's week begins.
    pub weekly_reset_hour: i64,
}

/// The legacy service's two recorders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recording {
    /// `recordUsageWithDetails`: Claude, CCR, Droid. Fills the cache-lifetime counters, names the price
    /// source and publishes a billing event.
    Detailed,
    /// `recordUsage`: the other platforms.
    Simple,
}

/// Token counts; all are whole and not negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenCounts {
    /// Uncached input.
    pub input: i64,
    /// Output.
    pub output: i64,
    /// Cache writes.
    pub cache_create: i64,
    /// Cache reads.
    pub cache_read: i64,
    /// Five-minute part of the cache writes.
    pub ephemeral_5m: i64,
    /// One-hour part of the cache writes.
    pub ephemeral_1h: i64,
}

impl TokenCounts {
    /// Sum of the four classes.
    pub fn total(&self) -> i64 {
        self.input + self.output + self.cache_create + self.cache_read
    }
}

/// Real cost by class, USD.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CostBreakdown {
    /// Uncached input.
    #[serde(with = "bits")]
    pub input: f64,
    /// Output.
    #[serde(with = "bits")]
    pub output: f64,
    /// Cache writes.
    #[serde(with = "bits")]
    pub cache_create: f64,
    /// Cache reads.
    #[serde(with = "bits")]
    pub cache_read: f64,
    /// Five-minute part of the cache writes.
    #[serde(with = "bits")]
    pub ephemeral_5m: f64,
    /// One-hour part of the cache writes.
    #[serde(with = "bits")]
    pub ephemeral_1h: f64,
    /// Sum: the real cost.
    #[serde(with = "bits")]
    pub total: f64,
    /// `dynamic`, `static` or `unknown-fallback`.
    pub source: Option<String>,
    /// Whether prices had to be guessed.
    pub used_fallback: bool,
}

/// What a rate window is charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WindowCharge {
    /// Tokens of all classes.
    pub tokens: i64,
    /// Cost, USD.
    #[serde(with = "bits")]
    pub cost: f64,
}

/// The request as the usage record names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestMeta {
    /// `X-Request-ID`.
    pub request_id: Option<String>,
    /// Path without query.
    pub endpoint: Option<String>,
    /// HTTP method.
    pub method: Option<String>,
    /// Status sent to the client.
    pub status: Option<u16>,
    /// Whether the reply was streamed.
    pub stream: bool,
    /// When the request arrived, epoch ms.
    pub started_at_ms: Option<i64>,
    /// How long it took until its usage was known.
    pub duration_ms: Option<i64>,
}

/// What a captured request detail holds beyond the usage record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetailCapture {
    /// Life of the detail, seconds; its day index lives a day longer.
    pub ttl_seconds: i64,
    /// Reasoning effort as displayed, and the field it came from.
    pub reasoning: Option<(String, String)>,
    /// Sanitised request body as JSON text. It may hold parts of a prompt and therefore never reaches
    /// the journal: a detail recovered after a crash lacks it.
    #[serde(skip)]
    pub body_snapshot: Option<String>,
}

/// Doubles as their bits, so that an amount read back from the journal is the amount written.
mod bits {
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(value.to_bits())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        Ok(f64::from_bits(u64::deserialize(from)?))
    }
}
