//! Looks whether requests of clients other than Codex can go to ChatGPT accounts as these expect it.

use std::path::Path;

use compat::{
    keys,
    store::{Batch, Cmd, Store, StoreError},
};

use super::{check::Check, report::Findings};
use crate::{config::Config, relay::Instructions};

/// Ids of all ChatGPT accounts.
const ACCOUNTS: &str = "openai:account:index";

/// Finds accounts without instructions. `dir` is the folder of the service.
pub(super) async fn check(
    config: &Config,
    dir: &Path,
    store: &dyn Store,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let file = config.openai.instructions_file.as_ref().map(|file| dir.join(file));
    let data = dir.join(&config.service.data_dir);
    if Instructions::of_files(file.as_deref(), &data).source().is_some() {
        return Ok(());
    }
    let mut batch = Batch::new();
    batch.cmds.push(Cmd::new("SCARD").arg(ACCOUNTS));
    batch.cmds.push(Cmd::new("EXISTS").arg(keys::CODEX_INSTRUCTIONS));
    let mut replies = store.run(batch).await?.into_iter();
    let mut count = || replies.next().map_or(Ok(0), |reply| reply.int());
    let (accounts, learned) = (count()?, count()?);
    if accounts > 0 && learned == 0 {
        findings.add(Check::CodexInstructions, ACCOUNTS, format!("{accounts} accounts"));
    }
    Ok(())
}
