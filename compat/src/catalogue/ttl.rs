//! How long keys live, as rules that an audit can check.

use std::fmt;

/// Expiry of the keys of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// They never expire (`none`).
    Never,
    /// No rule: nothing writes them any more (`any`).
    Any,
    /// They expire, at most this many seconds after being written (`86400`).
    Within(i64),
    /// Likewise, or never (`86400?`).
    WithinOrNever(i64),
    /// They expire after a time that a setting decides, usually these seconds (`~3600`).
    Settable(i64),
    /// Likewise, or never (`~3600?`).
    SettableOrNever(i64),
}

/// A remaining life that the rule does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TtlFault {
    /// Would vanish, and must not.
    Expires,
    /// Stays, and must not.
    NeverExpires,
    /// Lives longer than it may.
    TooLong,
}

impl Ttl {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "none" => return Some(Self::Never),
            "any" => return Some(Self::Any),
            _ => {}
        }
        let (text, or_never) = match text.strip_suffix('?') {
            Some(text) => (text, true),
            None => (text, false),
        };
        let (text, settable) = match text.strip_prefix('~') {
            Some(text) => (text, true),
            None => (text, false),
        };
        let seconds = text.parse().ok()?;
        Some(match (settable, or_never) {
            (false, false) => Self::Within(seconds),
            (false, true) => Self::WithinOrNever(seconds),
            (true, false) => Self::Settable(seconds),
            (true, true) => Self::SettableOrNever(seconds),
        })
    }

    /// Checks a reply to `TTL` (seconds, -1 never, -2 gone). A key that is gone breaks no rule.
    pub fn check(self, remaining: i64) -> Option<TtlFault> {
        let never = remaining == -1;
        match self {
            _ if remaining < -1 => None,
            Self::Never => (!never).then_some(TtlFault::Expires),
            Self::Within(_) | Self::Settable(_) if never => Some(TtlFault::NeverExpires),
            Self::Within(limit) | Self::WithinOrNever(limit) => {
                (remaining > limit).then_some(TtlFault::TooLong)
            }
            Self::Any | Self::Settable(_) | Self::SettableOrNever(_) => None,
        }
    }
}

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("no expiry"),
            Self::Any => f.write_str("any expiry"),
            Self::Within(seconds) => write!(f, "an expiry of at most {seconds} s"),
            Self::WithinOrNever(seconds) => write!(f, "an expiry of at most {seconds} s, or none"),
            Self::Settable(seconds) => write!(f, "an expiry (usually {seconds} s)"),
            Self::SettableOrNever(seconds) => write!(f, "an expiry (usually {seconds} s), or none"),
        }
    }
}
