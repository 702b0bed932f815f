//! The truth test: recordings of the legacy service, replayed against `crs`.
//!
//! ```text
//! cargo test --test conform                              replay all goldens against crs
//! cargo test --test conform -- --filter sticky           … those whose name holds the text
//! cargo test --test conform -- record --legacy DIR       record from an installed legacy service
//! cargo test --test conform -- live --legacy DIR         both services side by side, no goldens
//! ```
//! `docs/conformance.md` has the rest.
#![recursion_limit = "256"]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line test target")]

#[path = "../harness/mod.rs"]
mod harness;
mod modes;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Test runners list first and then run one by one; the whole replay is one test to them.
    if arguments.iter().any(|argument| argument == "--list") {
        if !arguments.iter().any(|argument| argument == "--ignored") {
            println!("replay: test");
        }
        return ExitCode::SUCCESS;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(modes::main(&arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
