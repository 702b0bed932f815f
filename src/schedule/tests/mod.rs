#![expect(clippy::unwrap_used, reason = "tests")]

mod properties;
mod recorded;
