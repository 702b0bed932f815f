#![expect(clippy::unwrap_used, reason = "tests")]

mod bench;
mod recorded;
mod refresh;
mod slots;
