//! The five-hour session window of an account (`contract/anthropic.md §4.7`), as arithmetic.

/// Length of a window in milliseconds.
pub const WINDOW_MS: i64 = 5 * HOUR_MS;

const HOUR_MS: i64 = 3_600_000;

/// A window as start and end in Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// `sessionWindowStart`
    pub start_ms: i64,
    /// `sessionWindowEnd`
    pub end_ms: i64,
}

/// What the use of an account's token does to its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowUse {
    /// Inside the current window: only `lastRequestTime` changes.
    Inside,
    /// A new window begins; status and five-hour stop of the old one end.
    New(Window),
}

impl Window {
    /// The window that begins with the full hour of `now_ms`. `utc_offset_s` is the process's time
    /// zone, which matters only where it is off by part of an hour.
    pub fn starting(now_ms: i64, utc_offset_s: i32) -> Self {
        let into_hour = (now_ms + i64::from(utc_offset_s) * 1000).rem_euclid(HOUR_MS);
        let start_ms = now_ms - into_hour;
        Self { start_ms, end_ms: start_ms + WINDOW_MS }
    }

    /// The window that a vendor's reset time (Unix seconds) ends.
    pub fn ending(reset_s: i64) -> Self {
        let end_ms = reset_s.saturating_mul(1000);
        Self { start_ms: end_ms.saturating_sub(WINDOW_MS), end_ms }
    }
}

/// Decides on a use at `now_ms`. `end_ms` is the stored end, if start and end are both stored and
/// readable.
pub fn use_at(now_ms: i64, end_ms: Option<i64>, utc_offset_s: i32) -> WindowUse {
    match end_ms {
        Some(end) if now_ms < end => WindowUse::Inside,
        _ => WindowUse::New(Window::starting(now_ms, utc_offset_s)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_begin_with_the_local_hour() {
        let now = 1_700_000_000_123;
        let window = Window::starting(now, 0);
        assert_eq!(window.start_ms, 1_699_999_200_000);
        assert_eq!(window.end_ms - window.start_ms, WINDOW_MS);
        assert_eq!(Window::starting(now, 8 * 3600), window);
        assert_eq!(Window::starting(now, 19_800).start_ms, 1_699_997_400_000);
        assert_eq!(use_at(now, Some(now + 1), 0), WindowUse::Inside);
        assert_eq!(use_at(now, Some(now), 0), WindowUse::New(window));
        assert_eq!(use_at(now, None, 0), WindowUse::New(window));
        assert_eq!(Window::ending(1_700_000_000).start_ms, 1_699_982_000_000);
    }
}
