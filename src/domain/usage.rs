//! Token counts of one upstream reply.

/// Cache writes by lifetime, present when the upstream sent a `cache_creation` object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheSplit {
    /// Tokens written to the five-minute cache.
    pub ephemeral_5m: u64,
    /// Tokens written to the one-hour cache.
    pub ephemeral_1h: u64,
}

/// Token counts as the upstream reported them; nothing is ever estimated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenUsage {
    /// Uncached input tokens.
    pub input: u64,
    /// Output tokens.
    pub output: u64,
    /// Tokens written to the cache. With a split this is the sum of its two parts.
    pub cache_create: u64,
    /// Tokens written to the cache as the upstream summed them up, whatever the split says; `None` where
    /// that is `cache_create`.
    pub told_create: Option<u64>,
    /// Tokens read from the cache.
    pub cache_read: u64,
    /// Cache writes by lifetime; `Some` even when both are zero if the upstream sent the object.
    pub split: Option<CacheSplit>,
    /// Model named by the upstream reply.
    pub model: Option<String>,
    /// `usage.speed` of the reply (fast mode), when it was readable.
    pub speed: Option<String>,
}

impl TokenUsage {
    /// Sum of all four token classes.
    pub fn total(&self) -> u64 {
        self.input + self.output + self.cache_create + self.cache_read
    }
}
