//! Which services an API key may use, in all the spellings that were ever stored.

use super::field::text_items;

/// Services granted to an API key: `claude`, `gemini`, `openai`, `droid`; empty grants all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions(Vec<String>);

impl Permissions {
    /// Reads a stored value: a JSON array, the old `all`, a comma list, or a single word. A broken array
    /// without commas stays one unknown word, which grants nothing (contract/redis.md §a).
    pub fn parse(stored: &str) -> Self {
        if stored.is_empty() {
            return Self::default();
        }
        if stored.starts_with('[')
            && let Some(items) = text_items(stored)
        {
            return Self(items);
        }
        if stored == "all" {
            return Self::default();
        }
        if stored.contains(',') {
            let words = stored.split(',').map(str::trim).filter(|word| !word.is_empty());
            return Self(words.map(str::to_owned).collect());
        }
        Self(vec![stored.to_owned()])
    }

    /// Whether `service` may be used.
    pub fn allows(&self, service: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|granted| granted == service)
    }

    /// The granted services; empty means all.
    pub fn services(&self) -> &[String] {
        &self.0
    }
}

impl From<Vec<String>> for Permissions {
    fn from(services: Vec<String>) -> Self {
        Self(services)
    }
}
