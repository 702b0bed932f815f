//! `make bench`: the same requests straight to an upstream, through a bare proxy (nginx), through `crs`
//! (`crs` relays them, `observe` only forwards them) and, when asked, through the Node service (`node`,
//! and `node-observe` with `crs` in front of it), in one run on one machine.
//!
//! ```text
//! cargo bench --bench relay -- [--json] [--quick] [--only crs,direct] [--write docs/benchmarks.md]
//! cargo bench --bench relay -- --only crs --against old=/path/to/crs --rounds 5
//! ```
//! The second compares two builds of `crs`, each on a Redis of its own.
//! Upstream and load generator are parts of this process; Redis, nginx and the services are its
//! children. `docs/benchmarks.md` says how to bring a Node service in (`LEGACY_URL`, `LEGACY_DIR`).
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

mod children;
mod lag;
mod load;
mod options;
mod report;
mod run;
mod system;
mod targets;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` only wants to know that it starts.
    if arguments.iter().any(|argument| argument == "--list" || argument == "--test") {
        return ExitCode::SUCCESS;
    }
    // Two connections per stream, and children inherit the limit.
    crs::cli::descriptors::raise_limit();
    let outcome = options::Options::read(&arguments).and_then(|options| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let report = runtime.block_on(run::all(&options))?;
        report.publish(&options)?;
        Ok(report.failures())
    });
    match outcome {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failures) => {
            eprintln!("{failures} requests failed; the figures above are not to be trusted");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
