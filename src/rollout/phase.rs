//! The five phases, in order.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Who answers clients. Later phases give crs more to answer.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Node answers; crs forwards and measures.
    #[default]
    Observe,
    /// Node answers; crs does the same request without side effects and compares.
    Shadow,
    /// crs answers a share of the keys, Node the rest.
    Canary,
    /// crs answers what it owns, Node the rest.
    Primary,
    /// crs answers everything; there is no Node any more.
    Standalone,
}

/// No phase has this name.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("no phase is called \"{0}\"; there are observe, shadow, canary, primary and standalone")]
pub struct UnknownPhase(String);

impl Phase {
    /// All, in order.
    pub const ALL: [Self; 5] =
        [Self::Observe, Self::Shadow, Self::Canary, Self::Primary, Self::Standalone];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Shadow => "shadow",
            Self::Canary => "canary",
            Self::Primary => "primary",
            Self::Standalone => "standalone",
        }
    }

    /// Whether crs answers any client in it.
    pub fn serves(self) -> bool {
        self >= Self::Canary
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Phase {
    type Err = UnknownPhase;

    fn from_str(text: &str) -> Result<Self, UnknownPhase> {
        let found = Self::ALL.into_iter().find(|phase| phase.as_str().eq_ignore_ascii_case(text));
        found.ok_or_else(|| UnknownPhase(text.to_owned()))
    }
}
