//! `crs demo`: one act after the other, all here, all gone at the end.

use std::path::Path;

use serde_json::json;
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

use super::{
    super::{Output, descriptors, serve},
    Arguments, alone,
    beside::{self, Legacy},
    place::Place,
};

/// Runs until Ctrl-C, or through the checks.
///
/// # Errors
/// When a part does not start, or a check fails.
pub(in crate::cli) fn run(
    dir: &Path,
    arguments: &Arguments,
    output: &Output,
) -> anyhow::Result<()> {
    descriptors::raise_limit();
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let mut acts = std::pin::pin!(acts(dir, arguments, &stop, output));
        tokio::select! {
            biased;
            outcome = &mut acts => outcome,
            () = asked_to_end() => {
                output.line("");
                output.line("Ending the demo.");
                stop.cancel();
                acts.await
            }
        }
    })
}

async fn acts(
    dir: &Path,
    arguments: &Arguments,
    stop: &CancellationToken,
    output: &Output,
) -> anyhow::Result<()> {
    let Arguments { port, check, act, .. } = *arguments;
    let mut told = Vec::new();
    let legacy = match act {
        Some(1) => None,
        _ => Some(Legacy::find(arguments.legacy_node.as_deref()).await),
    };
    // Asked for by name, it is not skipped.
    if act == Some(2)
        && let Some(Err(missing)) = &legacy
    {
        anyhow::bail!("act two cannot be shown: {missing}");
    }
    let place = Place::take(dir)?;
    if act != Some(2) {
        let next = matches!(legacy, Some(Ok(_)));
        let staging = alone::Staging { port, check, next };
        if !check && let Some(Err(missing)) = &legacy {
            skipped(missing, output);
        }
        told.push(alone::act(&place, staging, stop, output).await?);
    }
    match legacy {
        Some(Ok(legacy)) if !stop.is_cancelled() => {
            place.clear()?;
            told.push(beside::act(&place, &legacy, arguments, stop, output).await?);
        }
        Some(Err(missing)) if check => {
            skipped(&missing, output);
            told.push(json!({ "act": 2, "skipped": missing.to_string() }));
        }
        _ => {}
    }
    if check {
        anyhow::ensure!(!stop.is_cancelled(), "ended before the check was over");
        output.value(&json!({ "acts": told }));
    }
    Ok(())
}

fn skipped(missing: &beside::Missing, output: &Output) {
    output.line(&format!("Act two, the way from Node to crs, is skipped: {missing}"));
    output.line("");
}

/// Resolves at Ctrl-C, SIGTERM, or when the terminal is gone.
async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::hangup()) {
        Ok(mut hangup) => tokio::select! {
            () = serve::signal() => {}
            _ = hangup.recv() => {}
        },
        Err(_) => serve::signal().await,
    }
}
