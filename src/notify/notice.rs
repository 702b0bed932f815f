//! What there is to tell.

use serde_json::{Map, Value};

/// One notice: its type, by which operators switch notices on and off, and what happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// `accountAnomaly`, `rateLimitRecovery`, `systemError`, `test` …
    pub kind: String,
    /// What happened, in the legacy service's fields. Platforms show those that they know.
    pub data: Map<String, Value>,
}

impl Notice {
    /// Another name for the switch of a type that the console does not know.
    const STAND_INS: [(&str, &str); 1] = [(Self::ROLLOUT, "systemError")];

    /// Type of what operators did to the rollout. The console has no switch for it; without one it goes
    /// with `systemError`.
    pub const ROLLOUT: &str = "rollout";

    /// A notice.
    pub fn new(kind: &str, data: Map<String, Value>) -> Self {
        Self { kind: kind.to_owned(), data }
    }

    /// Names of the switch that decides about this notice, the first that is there.
    pub(super) fn switches(&self) -> impl Iterator<Item = &str> {
        let other = Self::STAND_INS.iter().find(|(kind, _)| *kind == self.kind);
        [Some(self.kind.as_str()), other.map(|(_, other)| *other)].into_iter().flatten()
    }

    /// A fixed word for metrics.
    pub(super) fn label(&self) -> &'static str {
        let known = [
            "accountAnomaly",
            "quotaWarning",
            "systemError",
            "securityAlert",
            "rateLimitRecovery",
            "test",
            Self::ROLLOUT,
        ];
        known.into_iter().find(|kind| *kind == self.kind).unwrap_or("other")
    }
}
