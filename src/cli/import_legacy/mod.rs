//! `crs import-legacy`: takes from a folder of the Node service what lies in files rather than in Redis:
//! settings, the administrator, prices, and the text that Codex clients are instructed with, which is the
//! Node service's own and no part of crs.
//!
//! Reads the folder only, runs nothing of it, and overwrites nothing here unless told to. Values of
//! settings are never shown.

mod installation;
mod literal;
mod place;
mod report;
mod take;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;

use super::Output;
use crate::config::{Environment, Reader};
use installation::Installation;
use report::Report;
use take::Taker;

/// Arguments of `crs import-legacy`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folder of the Node service.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Only show what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Replace what is here and differs; it is kept beside, as NAME.before-import.
    #[arg(long)]
    force: bool,
}

/// Carries the command out in `dir`; `Ok(1)` when something was left because it differs or cannot be used.
///
/// # Errors
/// A folder that is not one of the Node service, or files that cannot be read or written.
pub(super) fn run(dir: &Path, arguments: &Arguments, output: &Output) -> anyhow::Result<u8> {
    let report = import(dir, arguments)?;
    report.show(output);
    Ok(u8::from(!report.is_done()))
}

fn import(dir: &Path, arguments: &Arguments) -> anyhow::Result<Report> {
    let Some(installation) = Installation::find(&arguments.folder)? else {
        bail!(
            "{} is no folder of the Node service: it has neither .env nor data/init.json nor \
             src/routes/openaiRoutes.js",
            arguments.folder.display()
        );
    };
    let environment = Environment::read(dir)?;
    let data = dir.join(Reader::new(&environment).text("CRS_DATA_DIR", "data"));
    let taker = Taker { dry_run: arguments.dry_run, force: arguments.force };
    let items = vec![
        taker.settings(&installation, dir)?,
        taker.administrator(&installation, &data)?,
        taker.prices(&installation, &data)?,
        taker.instructions(&installation, &data)?,
    ];
    let left = installation.left()?;
    let version = installation.version();
    let folder = arguments.folder.clone();
    Ok(Report { folder, version, dry_run: arguments.dry_run, items, left })
}
