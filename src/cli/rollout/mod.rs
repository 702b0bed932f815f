//! `crs rollout`: look at the rollout and change it, through Redis or through the running instance.

mod run;
mod show;

use std::{collections::BTreeSet, path::Path};

use clap::{Args, Subcommand};

use super::{Output, demo};
use crate::{
    config::ConfigError,
    rollout::{NameLists, Percent, Phase, Settings},
};

/// Gates are red, or the change makes no sense as things stand.
const REFUSED: u8 = 2;

/// Arguments of `crs rollout`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// This instance alone, through its control socket and override file, without Redis.
    #[arg(long, global = true)]
    local: bool,
    #[command(subcommand)]
    action: Action,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Action {
    /// Show the phase, the share, the gates for the next step, and all instances.
    Status,
    /// Set parts of the plan; what is not given stays.
    ///
    /// A change that gives crs more to answer needs green gates, as `advance` does.
    #[command(after_help = "Examples:\n  \
        crs rollout set shadow --sample 20 --reason 'first look'\n  \
        crs rollout set canary --keys 0f8fad5b-… --reason 'my own key' --force\n  \
        crs rollout set --percent 10 --exclude-tags vip\n  \
        crs rollout set --ramp 2,10,50,100 --hold-minutes 120 --automatic true")]
    Set(Box<SetArguments>),
    /// Go one step forward: the next phase, or the next percentage of the ramp.
    #[command(after_help = "Example:\n  crs rollout advance --reason 'quiet week'")]
    Advance {
        #[command(flatten)]
        say: Say,
        /// Overrule red gates; needs a reason.
        #[arg(long)]
        force: bool,
    },
    /// Go one step back, or straight back to a phase; needs no gates.
    #[command(after_help = "Examples:\n  \
        crs rollout rollback --reason 'odd 502s'\n  \
        crs rollout rollback --to observe\n  \
        crs rollout rollback --local        # this machine, when Redis is down; to observe")]
    Rollback {
        /// Phase to go back to.
        #[arg(long)]
        to: Option<Phase>,
        #[command(flatten)]
        say: Say,
    },
    /// Allow no step forward until `resume`; guards and rollback go on working.
    Pause {
        #[command(flatten)]
        say: Say,
    },
    /// Allow steps forward again; with --local: follow the shared record again.
    Resume {
        #[command(flatten)]
        say: Say,
    },
    /// Show who changed what, when and why, newest first.
    History {
        /// Entries shown.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
}

/// Said with every change.
#[derive(Debug, Args)]
struct Say {
    /// Why, for the history.
    #[arg(long)]
    reason: Option<String>,
}

#[derive(Debug, Args)]
struct SetArguments {
    /// Phase: observe, shadow, canary, primary or standalone.
    phase: Option<Phase>,
    /// Share of the API keys that crs answers during canary.
    #[arg(long)]
    percent: Option<Percent>,
    /// Ids of keys that are in, comma-separated; '' for none.
    #[arg(long, value_name = "IDS")]
    keys: Option<String>,
    /// Tags whose keys are in.
    #[arg(long)]
    tags: Option<String>,
    /// Routes that are in, such as messages.
    #[arg(long)]
    routes: Option<String>,
    /// Platforms that are in, such as claude.
    #[arg(long)]
    platforms: Option<String>,
    /// Ids of keys that are out, whatever else says they are in.
    #[arg(long, value_name = "IDS")]
    exclude_keys: Option<String>,
    /// Tags whose keys are out.
    #[arg(long, value_name = "TAGS")]
    exclude_tags: Option<String>,
    /// Routes that are out.
    #[arg(long, value_name = "ROUTES")]
    exclude_routes: Option<String>,
    /// Platforms that are out.
    #[arg(long, value_name = "PLATFORMS")]
    exclude_platforms: Option<String>,
    /// Steps of the percentage, such as 1,5,25,50,100.
    #[arg(long, value_delimiter = ',')]
    ramp: Option<Vec<Percent>>,
    /// How long a step must last before the next.
    #[arg(long, value_name = "MINUTES")]
    hold_minutes: Option<u32>,
    /// Whether canary goes up the ramp by itself when all gates are green.
    #[arg(long, value_name = "true|false")]
    automatic: Option<bool>,
    /// Part of the requests that shadow does.
    #[arg(long, value_name = "PERCENT")]
    sample: Option<Percent>,
    /// Overrides of the gates, a JSON object.
    #[arg(long, value_name = "JSON")]
    gates: Option<String>,
    /// When guards trip, a JSON object.
    #[arg(long, value_name = "JSON")]
    guards: Option<String>,
    #[command(flatten)]
    say: Say,
    /// Overrule red gates; needs a reason.
    #[arg(long)]
    force: bool,
}

impl SetArguments {
    fn settings(&self) -> Result<Settings, serde_json::Error> {
        Ok(Settings {
            phase: self.phase,
            percent: self.percent,
            include: NameLists {
                keys: list(self.keys.as_ref()),
                tags: list(self.tags.as_ref()),
                routes: list(self.routes.as_ref()),
                platforms: list(self.platforms.as_ref()),
            },
            exclude: NameLists {
                keys: list(self.exclude_keys.as_ref()),
                tags: list(self.exclude_tags.as_ref()),
                routes: list(self.exclude_routes.as_ref()),
                platforms: list(self.exclude_platforms.as_ref()),
            },
            ramp: self.ramp.clone(),
            hold_minutes: self.hold_minutes,
            automatic: self.automatic,
            sample: self.sample,
            sample_routes: None,
            gates: self.gates.as_deref().map(serde_json::from_str).transpose()?,
            guards: self.guards.as_deref().map(serde_json::from_str).transpose()?,
        })
    }
}

fn list(text: Option<&String>) -> Option<BTreeSet<String>> {
    let names = text?.split(',').map(str::trim).filter(|name| !name.is_empty());
    Some(names.map(str::to_owned).collect())
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The arguments do not go together.
    #[error("{0}")]
    Usage(String),
    /// The change is refused.
    #[error("{0}")]
    Refused(String),
    /// Something does not work.
    #[error("{0:#}")]
    Broken(#[from] anyhow::Error),
}

/// Runs the command; the exit code says whether it was done, refused or failed.
pub(super) fn main(dir: &Path, arguments: &Arguments, output: &Output) -> u8 {
    let failure = match run::run(dir, arguments, output) {
        Ok(()) => return 0,
        Err(failure) => failure,
    };
    let code = match &failure {
        Failure::Usage(_) => ConfigError::EXIT_CODE,
        Failure::Refused(_) => REFUSED,
        Failure::Broken(error) if error.is::<ConfigError>() => ConfigError::EXIT_CODE,
        Failure::Broken(_) => 1,
    };
    output.error(&match failure {
        Failure::Broken(error) => error,
        other => anyhow::anyhow!("{other}"),
    });
    code
}
