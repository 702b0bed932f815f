//! Everything on one machine, with no account anywhere: what `crs demo` shows and what the
//! measurements run against.

mod alone;
mod beside;
mod check;
mod client;
mod database;
mod place;
mod run;
pub mod seed;
mod service;
pub mod upstream;

use std::path::PathBuf;

pub(super) use place::{config, is_demo, source};
pub(super) use run::run;

/// How to run.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Arguments {
    /// Port to listen on; 3000, or a free one when that is taken.
    #[arg(long)]
    port: Option<u16>,
    /// Check what is shown, and end; for scripts.
    #[arg(long)]
    check: bool,
    /// Show this act only.
    #[arg(long, value_name = "1|2", value_parser = clap::value_parser!(u8).range(1..=2))]
    act: Option<u8>,
    /// Requests of act two that are compared before anything else.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(80..=5000))]
    requests: u32,
    /// Folder `legacy-node` of the source checkout; looked for in the working directory and above the
    /// program.
    #[arg(long, value_name = "DIR")]
    legacy_node: Option<PathBuf>,
}
