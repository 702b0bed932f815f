//! The value of `temp_unavailable:{type}:{account}` (contract/redis.md §b).

use serde_json::json;

use super::Json;

/// Why and how long an account cools down. Availability is judged by the key's TTL alone; the value is
/// for display.
#[derive(Clone, Debug, PartialEq)]
pub struct CoolDown {
    /// The stored object.
    pub json: Json,
}

impl CoolDown {
    /// A new mark: upstream status (0 when there was none), class such as `overload`, length in seconds,
    /// start and end as ISO text.
    pub fn new(
        status: u16,
        error_type: &str,
        seconds: i64,
        marked_at: &str,
        expires_at: &str,
    ) -> Self {
        let fields = json!({
            "statusCode": status,
            "errorType": error_type,
            "markedAt": marked_at,
            "ttlSeconds": seconds,
            "cooldownSeconds": seconds,
            "expiresAt": expires_at,
        });
        Self { json: Json::from(fields) }
    }

    /// Reads the stored text; `None` when it is not a JSON object.
    pub fn from_stored(stored: &str) -> Option<Self> {
        Json::parse(stored).map(|json| Self { json })
    }

    /// The text to store.
    pub fn to_stored(&self) -> String {
        self.json.to_stored()
    }

    /// Class of the error, e.g. `overload`.
    pub fn error_type(&self) -> &str {
        self.json.text("errorType")
    }
}
