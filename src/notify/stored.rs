//! The operator's notification settings as the legacy console stores them, `webhook_config:default`.

use compat::{keys, number, store::Cmd};
use serde_json::{Map, Value};

use super::{Notice, value};

/// Attempts per platform, unless set.
const ATTEMPTS: u32 = 3;
/// Pause before the second attempt, unless set; doubled before each further one.
const FIRST_PAUSE_MS: f64 = 1000.0;
/// Time for one attempt, unless set.
const TIMEOUT_MS: i64 = 10_000;

/// Types that the console knows.
const ON_UNLESS_SAID: [&str; 5] =
    ["accountAnomaly", "quotaWarning", "systemError", "securityAlert", "rateLimitRecovery"];

/// Settings in force.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stored {
    fields: Map<String, Value>,
}

/// One receiver. Its fields are kept as they are stored: each platform reads its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Platform(Map<String, Value>);

/// How often and when a delivery is tried again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retries {
    /// Attempts in all.
    pub attempts: u32,
    /// Pause after the first.
    pub pause_ms: f64,
}

impl Stored {
    /// Fetches the stored text.
    pub fn get() -> Cmd {
        Cmd::new("GET").arg(keys::WEBHOOKS)
    }

    /// Reads the stored text; missing or unreadable text means that nothing is sent.
    pub fn parse(text: Option<&str>) -> Self {
        match text.filter(|text| !text.is_empty()).map(serde_json::from_str) {
            Some(Ok(Value::Object(fields))) => Self { fields },
            _ => Self::default(),
        }
    }

    /// Whether notices are sent at all.
    pub fn is_enabled(&self) -> bool {
        value::is_set(self.fields.get("enabled"))
    }

    /// Whether this notice is sent: its type is switched on. A type that is not mentioned is on if the
    /// console knows it. `test` always is.
    pub fn wants(&self, notice: &Notice) -> bool {
        if !self.is_enabled() {
            return false;
        }
        if notice.kind == "test" {
            return true;
        }
        let types = self.fields.get("notificationTypes").and_then(Value::as_object);
        let switch = |name| types.and_then(|types| types.get(name));
        for name in notice.switches() {
            if let Some(switch) = switch(name) {
                return value::is_set(Some(switch));
            }
            if ON_UNLESS_SAID.contains(&name) {
                return true;
            }
        }
        false
    }

    /// The types that the console knows, and whether each is switched on.
    pub fn types(&self) -> impl Iterator<Item = (String, bool)> {
        let types = self.fields.get("notificationTypes").and_then(Value::as_object);
        ON_UNLESS_SAID.into_iter().map(move |kind| {
            let switch = types.and_then(|types| types.get(kind));
            (kind.to_owned(), switch.is_none_or(|switch| value::is_set(Some(switch))))
        })
    }

    /// All receivers.
    pub fn platforms(&self) -> impl Iterator<Item = Platform> {
        let list = self.fields.get("platforms").and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_object).cloned().map(Platform)
    }

    /// The receivers that are switched on.
    pub fn receivers(&self) -> impl Iterator<Item = Platform> {
        self.platforms().filter(Platform::is_enabled)
    }

    /// How deliveries are tried again.
    pub fn retries(&self) -> Retries {
        let settings = self.fields.get("retrySettings").and_then(Value::as_object);
        let read = |name| value::set(settings?.get(name)).and_then(value::number);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let attempts = read("maxRetries").map_or(ATTEMPTS, |n| n.ceil() as u32);
        Retries { attempts, pause_ms: read("retryDelay").unwrap_or(FIRST_PAUSE_MS) }
    }
}

impl Platform {
    /// A receiver that is not stored.
    pub fn new(fields: Map<String, Value>) -> Self {
        Self(fields)
    }

    /// `id`, as the console made it.
    pub fn id(&self) -> &str {
        self.words("id")
    }

    /// `type`.
    pub fn kind(&self) -> &str {
        self.words("type")
    }

    /// Its name, for people; its type when it has none.
    pub fn name(&self) -> &str {
        Some(self.words("name")).filter(|name| !name.is_empty()).unwrap_or_else(|| self.kind())
    }

    /// Whether it is switched on.
    pub fn is_enabled(&self) -> bool {
        self.has("enabled")
    }

    /// Time for one attempt, in milliseconds.
    pub fn timeout_ms(&self) -> u64 {
        let set = value::set(self.0.get("timeout")).map(|set| value::text(Some(set)));
        let ms = set.and_then(|text| number::parse_int(&text)).unwrap_or(TIMEOUT_MS);
        u64::try_from(ms).ok().filter(|ms| *ms > 0).unwrap_or(TIMEOUT_MS.unsigned_abs())
    }

    pub(super) fn get(&self, field: &str) -> Option<&Value> {
        value::set(self.0.get(field))
    }

    /// Whether a field counts as set.
    pub(super) fn has(&self, field: &str) -> bool {
        self.get(field).is_some()
    }

    /// A field inside a text.
    pub(super) fn text(&self, field: &str) -> String {
        value::text(self.0.get(field))
    }

    /// A field as it is stored; `None` when it is missing.
    pub(super) fn raw(&self, field: &str) -> Option<&Value> {
        self.0.get(field)
    }

    fn words(&self, field: &str) -> &str {
        self.0.get(field).and_then(Value::as_str).unwrap_or_default()
    }
}
