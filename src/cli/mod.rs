//! The `crs` commands: one file each. Only here and in `main` may a process end or the terminal be
//! written.

mod accounts;
pub mod demo;
pub mod descriptors;
mod doctor;
mod explain;
mod health;
mod import_legacy;
mod input;
mod jobs;
mod keys;
mod notify;
mod output;
mod prices;
mod progress;
mod replay;
mod rollout;
mod serve;
mod setup;
mod shadow;
mod status;
#[cfg(unix)]
mod successor;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::config::{Config, ConfigError};
pub use output::Output;

/// Command line of `crs`.
#[derive(Debug, Parser)]
#[command(
    name = "crs",
    version,
    about = "A relay for Claude Code and its kin that takes over a running claude-relay-service",
    long_about = "A relay for Claude Code and its kin that takes over a running \
                  claude-relay-service: the same Redis, the same .env, the same keys, accounts, \
                  limits and accounting.\n\n\
                  Run it in the folder of the Node service. It reads .env and data/ from the \
                  working directory. Where there is no .env but a running `crs demo`, commands work on \
                  the demo.",
    after_help = "Exit codes: 0 done, 1 failed, 64 wrong settings or arguments; the help of a command has \
                  the rest.\n\
                  Settings: docs/configuration.md. Differences from the Node service: MIGRATION.md.",
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Cli {
    /// Print one JSON object for machines instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve clients.
    ///
    /// Listens on HOST and PORT and relays, on the Redis that .env names. SIGTERM or Ctrl-C stops
    /// accepting, lets open streams finish for up to CRS_DRAIN_TIMEOUT_SECONDS, writes what is left
    /// to account and ends with code 0; a second signal ends at once.
    #[command(after_help = "To take over: stop the Node service, run `crs serve` in its folder.\n\
                            To go back: stop crs, start the Node service.")]
    Serve,
    /// Make .env and the administrator.
    ///
    /// Writes .env with fresh secrets (from .env.example when there is one) unless it exists, and
    /// data/init.json with the administrator, as the setup script of the Node service does.
    /// ADMIN_USERNAME and ADMIN_PASSWORD are used when set. Changes nothing when data/init.json
    /// exists.
    #[command(after_help = "Exit codes: 0 done, or nothing to do, 1 failed.")]
    Setup,
    /// Take settings, the administrator, prices and Codex instructions from a folder of the Node service.
    ///
    /// Copies its .env to ./.env, data/init.json and the fetched price list to data/, and the text that the
    /// Node service instructs Codex with (a constant in src/routes/openaiRoutes.js) to
    /// data/crs/codex_instructions.txt. What is here and differs stays unless --force is given; the newer
    /// price list wins. May be run again at any time; reads the folder only. Not needed where crs runs in
    /// the folder of the Node service, but for the instructions.
    #[command(
        after_help = "Exit codes: 0 all that is there is here now, 1 something was left because it \
                            differs or cannot be used, 2 could not run, 64 wrong settings or \
                            arguments."
    )]
    ImportLegacy(import_legacy::Arguments),
    /// Show everything on this machine with no account anywhere.
    ///
    /// Act one is crs alone: a redis-server of its own, a stand-in for the vendors, two accounts, one key.
    /// Prints requests that work as they stand, and the lines for Claude Code and Codex CLI. Act two (Enter, or --act 2)
    /// is the way from Node to crs: a small Node service with the tap, crs in front of it, a few hundred
    /// requests done twice and compared, the report, a share of the keys, all of them, and back while
    /// streams are open. Everything is on 127.0.0.1; Ctrl-C ends it and leaves nothing behind.
    #[command(
        after_help = "Act two needs node (18 or later) and the packages of the stand-in for Node: \
                            `npm ci --prefix legacy-node` in the source checkout, which `make demo` does. \
                            Without them it is skipped, or fails when --act 2 asks for it.\n\
                            Exit codes: 0 done, 1 something failed, or a check did, 64 wrong arguments."
    )]
    Demo(demo::Arguments),
    /// Show whether the service and Redis are up, the accounts, and what each key used and cost.
    ///
    /// Asks the service on HOST and PORT (crs or the Node service) and reads Redis.
    #[command(
        after_help = "Exit codes: 0 both answer, 1 one of them does not, 64 wrong settings or arguments."
    )]
    Status {
        /// Show every key, not only the 20 that cost most.
        #[arg(long)]
        all: bool,
    },
    /// Make, change, test and delete upstream accounts.
    ///
    /// Works on the Redis that .env names, beside crs and the Node service, and leaves there what the
    /// Node service's console would. Accounts are named by id or name. Secrets are read from files or
    /// standard input and never shown.
    #[command(
        after_help = "Exit codes: 0 done, 1 declined, 2 could not run, 64 wrong settings or \
                            arguments. docs/accounts.md tells more."
    )]
    Accounts(accounts::Arguments),
    /// Make, change and delete API keys.
    ///
    /// Works on the Redis that .env names, beside crs and the Node service, and leaves there what the
    /// Node service's console would. Keys are named by id or name. The secret of a key is shown once,
    /// when it is made.
    #[command(
        after_help = "Exit codes: 0 done, 1 declined, 2 could not run, 64 wrong settings or \
                            arguments. docs/accounts.md tells more."
    )]
    Keys(keys::Arguments),
    /// Ask whether the crs of this folder answers, for health checks.
    ///
    /// Asks /crs/health on HOST and PORT and prints one line.
    #[command(
        after_help = "Exit codes: 0 it answers, 1 it does not, 64 wrong settings. That Redis or the \
                            Node service is down is shown and is no failure: a restart would not \
                            help."
    )]
    Health,
    /// Decide who answers clients, Node or crs: look, go on, go back.
    ///
    /// The phases are observe, shadow, canary, primary and standalone (docs/rollout.md). Commands work
    /// on the record in Redis that all instances follow, or with --local on the instance of this folder.
    #[command(
        after_help = "Exit codes: 0 done, 1 failed, 2 refused (red gates, somebody was first), \
                            64 wrong settings or arguments."
    )]
    Rollout(rollout::Arguments),
    /// Audit Redis and settings; writes nothing.
    ///
    /// Matches every key in the Redis that .env names against the catalogue, checks types, expiries,
    /// fields, indexes, references and whether the stored secrets open, and compares
    /// config/config.js (when there is one) with what crs would use.
    #[command(after_help = "Exit codes: 0 nothing to mend, 1 findings, 2 could not run.")]
    Doctor,
    /// Show who is notified, and send a test.
    ///
    /// Works on the platforms that are set up in the console (docs/notifications.md). Shows no address,
    /// token or password.
    #[command(
        subcommand,
        after_help = "Exit codes: 0 everything works, 1 something does not, 2 could not run, \
                            64 wrong settings or arguments."
    )]
    Notify(notify::Action),
    /// Tell why a request went as it did: which check refused it, which accounts were looked at and why
    /// each was left out, which rules changed the request, what the vendor answered.
    ///
    /// Knows the last 2,000 requests that the running service of this folder has served or done again, by
    /// the id in X-Request-ID, and the cases that were captured, by theirs.
    #[command(
        after_help = "Exit codes: 0 done, 1 the request is not known, or nobody could be asked, \
                            64 wrong settings or arguments."
    )]
    Explain {
        /// Id of the request.
        id: String,
    },
    /// Do captured cases again with this build and say which agree now.
    ///
    /// Reads a file of `crs shadow export`. Needs neither Redis nor the Node service nor vendors: what
    /// they said is in the file. The folder's .env must have the ENCRYPTION_KEY of the machine that
    /// captured them.
    #[command(after_help = "Exit codes: 0 all cases agree, 1 some do not, 2 could not run.")]
    Replay {
        /// The file.
        file: PathBuf,
    },
    /// Show what the comparison with the Node service has found.
    #[command(
        subcommand,
        after_help = "Exit codes: 0 done, 1 the report's gates are not green, 2 could not run, 64 wrong \
                      settings or arguments."
    )]
    Shadow(shadow::Action),
    /// Show the background jobs and what they did last, or run one now.
    #[command(
        subcommand,
        after_help = "Exit codes: 0 done, 1 failed or busy elsewhere, 64 wrong settings or arguments. \
                      docs/jobs.md tells more."
    )]
    Jobs(jobs::Action),
    /// Show where prices come from and what a model costs, or fetch them now.
    #[command(
        subcommand,
        after_help = "Exit codes: 0 done, 1 failed, 64 wrong settings or arguments. docs/jobs.md tells more."
    )]
    Prices(prices::Action),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let wrong = error.use_stderr();
            // A closed terminal leaves nobody to tell.
            let _ = error.print();
            return if wrong { ExitCode::from(ConfigError::EXIT_CODE) } else { ExitCode::SUCCESS };
        }
    };
    let output = Output::new(cli.json);
    ExitCode::from(perform(cli.command, Path::new("."), &output))
}

/// Runs a command as if it had been typed in `dir`; returns its exit code.
///
/// # Errors
/// When the words are no command.
fn typed(dir: &Path, words: &[&str], output: &Output) -> Result<u8, clap::Error> {
    let words = std::iter::once(&"crs").chain(words);
    Ok(perform(Cli::try_parse_from(words)?.command, dir, output))
}

/// Runs a command in `dir`; returns its exit code.
fn perform(command: Command, dir: &Path, output: &Output) -> u8 {
    let done = match command {
        Command::Doctor => return doctor::main(dir, output),
        Command::Rollout(arguments) => return rollout::main(dir, &arguments, output),
        Command::Shadow(action) => return coded(shadow::run(dir, action, output), output),
        Command::Replay { file } => return coded(replay::run(dir, &file, output), output),
        Command::Accounts(arguments) => {
            return coded(accounts::run(dir, arguments, output), output);
        }
        Command::ImportLegacy(arguments) => {
            return coded(import_legacy::run(dir, &arguments, output), output);
        }
        Command::Notify(action) => return coded(notify::run(dir, &action, output), output),
        Command::Keys(arguments) => return coded(keys::run(dir, arguments, output), output),
        Command::Explain { id } => explain::run(dir, &id, output),
        Command::Jobs(action) => jobs::run(dir, action, output),
        Command::Prices(action) => prices::run(dir, &action, output),
        Command::Setup => setup::run(dir, output),
        Command::Serve => Config::read(dir).map_err(Into::into).and_then(serve::run),
        Command::Demo(arguments) => demo::run(dir, &arguments, output),
        Command::Health => health::run(dir, output),
        Command::Status { all } => {
            let limit = if all { usize::MAX } else { 20 };
            status::run(dir, status::Options { limit }, output)
        }
    };
    match done {
        Ok(()) => 0,
        Err(error) => {
            output.error(&error);
            if error.is::<ConfigError>() { ConfigError::EXIT_CODE } else { 1 }
        }
    }
}

/// The exit code of a command that has more to say than done or failed.
fn coded(done: anyhow::Result<u8>, output: &Output) -> u8 {
    done.unwrap_or_else(|error| {
        output.error(&error);
        if error.is::<ConfigError>() { ConfigError::EXIT_CODE } else { 2 }
    })
}
