//! Which requests are the share of crs during canary: named ones, and a percentage of the API keys.
//!
//! A key's place is a hash of its id and nothing else, so it is the same in every process and at every
//! time, and a key that is in at 5 % is in at 25 %. Pure.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest, Sha256};

use super::{OwnedRoute, key_facts::KeyFacts};

/// Places that keys are spread over.
const PLACES: u16 = 10_000;
/// Names in one list, and characters in one name.
const NAMES_MAX: usize = 1000;
const NAME_MAX: usize = 256;

/// A percentage with two decimals, 0 to 100.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(u16);

/// Not a percentage.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("a percentage is a number from 0 to 100")]
pub struct NotAPercentage;

/// Names of keys (ids), tags, routes and platforms.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Names {
    /// Ids of API keys.
    pub keys: BTreeSet<String>,
    /// Tags of API keys.
    pub tags: BTreeSet<String>,
    /// Names of routes, see [`super::ROUTES`].
    pub routes: BTreeSet<String>,
    /// Platforms of routes.
    pub platforms: BTreeSet<String>,
}

/// The share of crs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Share {
    /// Share of the API keys.
    pub percent: Percent,
    /// What is in whatever the percentage.
    pub include: Names,
    /// What is out, whatever else says it is in.
    pub exclude: Names,
}

/// Whether a request is in the share, and by which rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// Kept out by name.
    Excluded,
    /// In by name.
    Named,
    /// In by the place of its key.
    InShare,
    /// Not in.
    Outside,
}

// === impl Percent ===

impl Percent {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Everything.
    pub const ALL: Self = Self(PLACES);

    /// A whole percentage; more than 100 is 100.
    pub const fn whole(percent: u16) -> Self {
        Self(if percent > 100 { PLACES } else { percent * 100 })
    }

    /// Reads a number of percent, rounded to two decimals.
    ///
    /// # Errors
    /// When it is not from 0 to 100.
    pub fn new(percent: f64) -> Result<Self, NotAPercentage> {
        if !(0.0..=100.0).contains(&percent) {
            return Err(NotAPercentage);
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
        Ok(Self((percent * 100.0).round() as u16))
    }

    /// The number of percent.
    pub fn get(self) -> f64 {
        f64::from(self.0) / 100.0
    }

    /// Whether one of 10,000 places, counted from 0, lies in it.
    pub fn holds(self, place: u16) -> bool {
        place < self.0
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.get())
    }
}

impl FromStr for Percent {
    type Err = NotAPercentage;

    fn from_str(text: &str) -> Result<Self, NotAPercentage> {
        let number = text.trim_end_matches('%').trim().parse().map_err(|_| NotAPercentage)?;
        Self::new(number)
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(100) {
            serializer.serialize_u16(self.0 / 100)
        } else {
            serializer.serialize_f64(self.get())
        }
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(f64::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

// === impl Names ===

impl Names {
    /// Whether nothing is named.
    pub fn is_empty(&self) -> bool {
        self.lists().iter().all(|(_, list)| list.is_empty())
    }

    /// The four lists with what they hold.
    pub fn lists(&self) -> [(&'static str, &BTreeSet<String>); 4] {
        [
            ("keys", &self.keys),
            ("tags", &self.tags),
            ("routes", &self.routes),
            ("platforms", &self.platforms),
        ]
    }

    fn name(&self, key: &KeyFacts, route: &OwnedRoute) -> bool {
        self.keys.contains(&key.id)
            || key.tags.iter().any(|tag| self.tags.contains(tag))
            || self.routes.contains(route.name)
            || self.platforms.contains(route.platform)
    }

    /// Whether some of these platforms are named and others are not.
    fn parts(&self, route: &OwnedRoute) -> bool {
        let named = |reading: OwnedRoute| self.platforms.contains(reading.platform);
        route.readings().any(named) && !route.readings().all(named)
    }

    fn is_within(&self, other: &Self) -> bool {
        self.lists().iter().zip(other.lists()).all(|((_, own), (_, others))| own.is_subset(others))
    }

    /// What is wrong with the lists, if anything.
    pub(super) fn fault(&self) -> Option<String> {
        for (what, list) in self.lists() {
            if list.len() > NAMES_MAX {
                return Some(format!("at most {NAMES_MAX} {what} can be named"));
            }
            if list.iter().any(|name| name.is_empty() || name.len() > NAME_MAX) {
                return Some(format!("one of the {what} is empty or too long"));
            }
        }
        let known = |name: &&String| super::ROUTES.iter().any(|route| route.name == name.as_str());
        if let Some(name) = self.routes.iter().find(|name| !known(name)) {
            let mut names: Vec<_> = super::ROUTES.iter().map(|route| route.name).collect();
            names.dedup();
            return Some(format!("no route is called \"{name}\"; there are {}", names.join(", ")));
        }
        let known =
            |name: &&String| super::ROUTES.iter().any(|route| route.platform == name.as_str());
        let unknown = self.platforms.iter().find(|name| !known(name));
        unknown.map(|name| format!("crs owns no route of a platform called \"{name}\""))
    }
}

// === impl Share ===

impl Share {
    /// Whether a request is in.
    pub fn membership(&self, key: &KeyFacts, route: &OwnedRoute) -> Membership {
        if self.exclude.name(key, route) {
            Membership::Excluded
        } else if self.include.name(key, route) {
            Membership::Named
        } else if self.percent.holds(place(&key.id)) {
            Membership::InShare
        } else {
            Membership::Outside
        }
    }

    /// Whether who answers may hang on the model that the body of a request names.
    pub fn asks_for_model(&self, route: &OwnedRoute) -> bool {
        self.exclude.parts(route) || self.include.parts(route)
    }

    /// Whether anything may be in that was not in `before`.
    pub fn grows(&self, before: &Self) -> bool {
        self.percent > before.percent
            || !self.include.is_within(&before.include)
            || !before.exclude.is_within(&self.exclude)
    }
}

/// Place of a key among 10,000, from its id alone.
pub fn place(key_id: &str) -> u16 {
    let digest = Sha256::new().chain_update("crs-canary:").chain_update(key_id).finalize();
    let mut head = [0; 8];
    head.copy_from_slice(&digest[..8]);
    let place = (u128::from(u64::from_be_bytes(head)) * u128::from(PLACES)) >> 64;
    u16::try_from(place).unwrap_or(PLACES - 1)
}
