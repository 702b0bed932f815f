//! `crs shadow …`: what the comparison with the Node service has found.

mod calibrate;
mod case;
mod export;
mod report;

pub(super) use calibrate::read as read_cases;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use clap::Subcommand;
use compat::store::RedisStore;
use shadow::capture::Sealer;

use super::{Output, demo};
use crate::{
    app,
    config::Config,
    sidecar::shadow::{Shelf, records},
};

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Show on one screen how much was compared, how much agrees, what differs and what is not covered.
    ///
    /// Adds up what all instances have counted in Redis, and says whether the gates for the next phase
    /// are green.
    #[command(after_help = "Exit codes: 0 the gates are green, 1 they are not, 2 could not run.")]
    Report,
    /// Show one case: both sides and where they part.
    ///
    /// Cases are kept in data/crs/shadow of the machine that compared them, sealed with a key made from
    /// ENCRYPTION_KEY, without secrets. `crs shadow report` names an example for each difference.
    Diff {
        /// Id of the case, or its beginning; without one, the newest.
        id: Option<String>,
        /// Show the raw body of both sides, too.
        #[arg(long)]
        whole: bool,
    },
    /// List the cases that are kept on this machine, newest last.
    List,
    /// Write cases to a file that `crs replay` reads on another machine with the same ENCRYPTION_KEY.
    Export {
        /// File to write; it must not exist.
        #[arg(long, short)]
        out: PathBuf,
        /// Only these cases.
        ids: Vec<String>,
    },
    /// Propose rules for what differs between two runs of the Node service itself.
    ///
    /// Both files are exports of the same requests, made against two Node services. What differs between
    /// those is noise. Prints rules for a person to judge; nothing is changed. Accepted ones belong into
    /// data/crs/rules/NAME.toml.
    Calibrate {
        /// Export of one run.
        one: PathBuf,
        /// Export of the other.
        other: PathBuf,
    },
    /// Forget what was counted and captured. Running instances forget too within seconds.
    Reset {
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// Exit code: 0, or 1 for red gates.
pub(super) fn run(dir: &Path, action: Action, output: &Output) -> anyhow::Result<u8> {
    let desk = Desk::open(dir)?;
    match action {
        Action::Report => return report::run(&desk, output),
        Action::Diff { id, whole } => case::run(&desk, id, whole, output)?,
        Action::List => case::list(&desk, output)?,
        Action::Export { out, ids } => export::run(&desk, &out, &ids, output)?,
        Action::Calibrate { one, other } => calibrate::run(&desk, &one, &other, output)?,
        Action::Reset { yes } => desk.reset(yes, output)?,
    }
    Ok(0)
}

/// What the commands work on.
pub(super) struct Desk {
    pub(super) config: Config,
    pub(super) shelf: Shelf,
}

impl Desk {
    pub(super) fn open(dir: &Path) -> anyhow::Result<Self> {
        let config = demo::config(dir)?;
        let shelf = app::shelf(&config.service.data_dir);
        Ok(Self { config, shelf })
    }

    /// What opens cases.
    pub(super) fn sealer(&self) -> anyhow::Result<Sealer> {
        Sealer::new(self.config.security.encryption_key.expose()).context("ENCRYPTION_KEY")
    }

    /// A connection to read with.
    pub(super) fn store(&self) -> anyhow::Result<Arc<RedisStore>> {
        Ok(Arc::new(RedisStore::open(&app::redis_config(&self.config))?))
    }

    fn reset(&self, yes: bool, output: &Output) -> anyhow::Result<()> {
        anyhow::ensure!(yes, "this forgets all evidence, and gates begin anew; say --yes to do it");
        let store = self.store()?;
        on_a_runtime(async { Ok(records::forget(&*store).await?) })?;
        self.shelf.clear();
        output.line("Forgotten. Evidence begins anew.");
        output.value(&serde_json::json!({ "reset": true }));
        Ok(())
    }
}

/// Runs a command's short conversation with Redis.
pub(super) fn on_a_runtime<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
