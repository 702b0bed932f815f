//! One key's admission in one round trip: request slot, request window and cost counters
//! (contract/redis.md §e, §h; contract/auth-limits-usage.md §1.5.3, §7.1).
//!
//! The net effect on Redis is that of the legacy service's separate commands; being one script, no
//! other writer can slip in between.

use crate::{
    concurrency::{self, Lease},
    lua,
    rate_window::{self, WindowLimits},
    store::{Cmd, Reply, StoreError},
};

/// What to take and what to read.
#[derive(Clone, Debug)]
pub struct Admission<'a> {
    /// Id of the API key.
    pub key_id: &'a str,
    /// The request's own name among the slots.
    pub member: &'a str,
    /// Now, epoch milliseconds of this machine.
    pub now_ms: i64,
    /// Most slots at a time, 0 for no limit (none is taken then).
    pub concurrency_limit: i64,
    /// The slot's lease.
    pub lease: Lease,
    /// The request window, if the key has one.
    pub window: Option<WindowLimits>,
    /// Counters to read along (cost keys), by full key.
    pub counters: &'a [String],
}

/// Which check the script stopped at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing stands against the request; the slot is taken and the request counted.
    Admitted,
    /// All slots are taken; the window was not touched.
    Concurrency,
    /// The window's requests are used up.
    Requests,
    /// The window's tokens are used up.
    Tokens,
    /// The window's cost is used up.
    Cost,
}

/// Answer to [`Admission`].
#[derive(Clone, Debug, PartialEq)]
pub struct Admitted {
    /// Which check stopped it, if any.
    pub verdict: Verdict,
    /// Slots taken, the request's own included even when it was refused.
    pub slots: i64,
    /// Texts of the window's keys as they were before this request was counted; `None` without window.
    pub window: Option<WindowTexts>,
    /// Texts of the counters, in the order asked for.
    pub counters: Vec<Option<String>>,
}

/// The stored texts of a request window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WindowTexts {
    /// Start, epoch milliseconds.
    pub start: Option<String>,
    /// Requests so far.
    pub requests: Option<String>,
    /// Tokens so far.
    pub tokens: Option<String>,
    /// Rated cost so far, USD.
    pub cost: Option<String>,
}

impl Admission<'_> {
    /// The script call.
    pub fn command(&self) -> Cmd {
        let slots = concurrency::api_key(self.key_id);
        let window = rate_window::keys(self.key_id);
        let keys = [slots].into_iter().chain(window).chain(self.counters.iter().cloned());
        let (window_ms, requests, tokens, cost) = match &self.window {
            Some(limits) => (limits.window_ms, limits.requests, limits.tokens, limits.cost),
            None => (0, 0, 0, 0.0),
        };
        Cmd::script(&lua::ADMIT, keys)
            .arg(self.now_ms)
            .arg(self.member)
            .arg(self.concurrency_limit)
            .arg(self.now_ms + self.lease.ms)
            .arg(self.lease.key_ttl_ms)
            .arg(window_ms)
            .arg(requests)
            .arg(tokens)
            .arg(cost.to_string())
    }

    /// Reads the reply to [`Admission::command`].
    ///
    /// # Errors
    /// When Redis refused the script or the reply has another shape.
    pub fn read(&self, reply: Reply) -> Result<Admitted, StoreError> {
        let shape = || StoreError::Shape("admission reply".into());
        let Reply::Array(parts) = reply else {
            return Err(match reply {
                Reply::Error(message) => StoreError::Shape(message),
                _ => shape(),
            });
        };
        let mut parts = parts.into_iter();
        let mut next = || parts.next().ok_or_else(shape);
        let verdict = match next()?.int()? {
            0 => Verdict::Admitted,
            1 => Verdict::Concurrency,
            2 => Verdict::Requests,
            3 => Verdict::Tokens,
            4 => Verdict::Cost,
            _ => return Err(shape()),
        };
        let slots = next()?.int()?;
        let texts = WindowTexts {
            start: next()?.text()?,
            requests: next()?.text()?,
            tokens: next()?.text()?,
            cost: next()?.text()?,
        };
        let counters = self.counters.iter().map(|_| next()?.text()).collect::<Result<_, _>>()?;
        let window =
            self.window.as_ref().filter(|_| verdict != Verdict::Concurrency).map(|_| texts);
        Ok(Admitted { verdict, slots, window, counters })
    }
}

#[cfg(test)]
mod tests;
