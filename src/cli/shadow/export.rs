//! Cases for another machine.

use std::{
    fs::OpenOptions,
    io::{BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::Context;
use compat::clock::Clock;
use serde_json::json;
use shadow::capture;

use super::Desk;
use crate::cli::Output;

pub(super) fn run(desk: &Desk, out: &Path, ids: &[String], output: &Output) -> anyhow::Result<()> {
    let ids = if ids.is_empty() { desk.shelf.ids() } else { ids.to_vec() };
    anyhow::ensure!(!ids.is_empty(), "no case is kept on this machine");
    let sealer = desk.sealer()?;
    let sealed = ids.iter().map(|id| desk.shelf.sealed(id)).collect::<Result<Vec<_>, _>>()?;
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(out)
        .with_context(|| format!("cannot write {}", out.display()))?;
    let mut file = BufWriter::new(file);
    let count = capture::write(&mut file, &sealer, Clock::system().now_ms(), sealed)?;
    file.flush()?;
    output.line(&format!(
        "{count} cases in {}. `crs replay {0}` does them again, in a folder whose .env has the same \
         ENCRYPTION_KEY.",
        out.display()
    ));
    output.value(&json!({ "cases": count, "file": out.display().to_string() }));
    Ok(())
}
