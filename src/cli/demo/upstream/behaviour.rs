//! How fast the stand-in answers, and how much.

use std::time::Duration;

/// Settings of the stand-in. The default answers at once, in five words and their eight deltas.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// Pause before the head of an answer.
    pub delay: Duration,
    /// Pause before each event of a stream but the first.
    pub delta_delay: Duration,
    /// Text deltas per stream.
    pub deltas: usize,
    /// Length of the answer's text in bytes, at least; `None` for the greeting.
    pub text_bytes: Option<usize>,
    /// Token counts of every answer; `None` to estimate them from the bodies' lengths.
    pub usage: Option<TokenCounts>,
    /// Whether the [`Cue`] in a request's text says what becomes of it.
    pub cues: bool,
}

/// What a request's text may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cue {
    /// Too many requests, without a word on when the limit ends.
    RateLimit,
    /// A request that the vendor finds wrong.
    Refuse,
    /// A stream that goes on until [`Controls::let_go`](super::Controls::let_go).
    Hold,
}

impl Cue {
    const ALL: [Self; 3] = [Self::RateLimit, Self::Refuse, Self::Hold];

    /// The words that ask for it.
    pub fn words(self) -> &'static str {
        match self {
            Self::RateLimit => "(the vendor limits this one)",
            Self::Refuse => "(the vendor refuses this one)",
            Self::Hold => "(the vendor holds this one)",
        }
    }

    /// The one in a body.
    pub(super) fn of(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        Self::ALL.into_iter().find(|cue| text.contains(cue.words()))
    }
}

/// Tokens that an answer claims.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenCounts {
    /// Input without cache.
    pub input: u64,
    /// Output.
    pub output: u64,
    /// Written to the five-minute cache.
    pub cache_5m: u64,
    /// Written to the one-hour cache.
    pub cache_1h: u64,
    /// Read from the cache.
    pub cache_read: u64,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            delta_delay: Duration::ZERO,
            deltas: 8,
            text_bytes: None,
            usage: None,
            cues: false,
        }
    }
}

impl Behaviour {
    const GREETING: &str = "Hello from the stand-in upstream: this answer was made on your own \
                            machine, and no account was asked.";

    /// The answer's text.
    pub(super) fn text(&self) -> String {
        match self.text_bytes {
            None => Self::GREETING.to_owned(),
            Some(bytes) => {
                Self::GREETING.repeat(bytes / Self::GREETING.len() + 1)[..bytes].to_owned()
            }
        }
    }

    /// Token counts for a request body of that length.
    pub(super) fn usage(&self, request_bytes: usize) -> TokenCounts {
        self.usage.unwrap_or_else(|| TokenCounts {
            input: super::messages::tokens_in(request_bytes),
            output: super::messages::tokens_in(self.text_bytes.unwrap_or(Self::GREETING.len())),
            ..TokenCounts::default()
        })
    }
}
