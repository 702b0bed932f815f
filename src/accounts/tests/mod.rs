#![expect(clippy::unwrap_used, reason = "tests")]

mod bench;
mod recorded;
mod recover;
mod refresh;
mod slots;
