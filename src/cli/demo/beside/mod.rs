//! Act two: from Node to crs. A stand-in for Node with the tap, crs in front of it, traffic that is compared,
//! Node told to misbehave, a share, all of it, and back while streams are open. Everything that is claimed
//! on the way is checked, with `--check` or without.

mod balance;
mod front;
mod legacy;
mod people;
mod stage;
mod story;
mod streams;
mod tale;
mod traffic;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub(super) use legacy::{Legacy, Missing};

use super::{super::Output, Arguments, place::Place, service};
use stage::Stage;
use story::Story;

/// Plays the act; without `--check` everything then runs until `stop`. Returns what there is to tell to
/// machines; null when that was told already.
///
/// # Errors
/// When a part does not start or ends early, or something is not as it is claimed.
pub(super) async fn act(
    place: &Place,
    legacy: &Legacy,
    arguments: &Arguments,
    stop: &CancellationToken,
    output: &Output,
) -> anyhow::Result<Value> {
    output.line("Act two: from Node to crs. Everything is on this machine.");
    let (stage, mut parts) = tokio::select! {
        set = Stage::set(place, legacy, arguments.port) => set?,
        () = stop.cancelled() => return Ok(Value::Null),
    };
    let outcome = tokio::select! {
        error = parts.broken() => Err(error),
        () = stop.cancelled() => Ok(Value::Null),
        outcome = play(&stage, place, arguments, output) => outcome,
    };
    parts.end().await;
    outcome
}

async fn play(
    stage: &Stage,
    place: &Place,
    arguments: &Arguments,
    output: &Output,
) -> anyhow::Result<Value> {
    let requests = usize::try_from(arguments.requests)?;
    let told = Story::new(stage, output, place.dir(), requests).tell().await?;
    if arguments.check {
        return Ok(told);
    }
    output.value(&told);
    let program = service::program();
    for line in [
        "",
        "All of it still runs, crs in `shadow`. In another terminal in this folder:",
        &format!("  {program} rollout status        # who answers; set, advance, rollback: --help"),
        &format!("  {program} shadow report         # and shadow list, shadow diff"),
        &format!("  {program} doctor                # what the audit of a Redis says"),
        &format!("  curl -s {}/crs/health", stage.base),
        "With your own service: MIGRATION.md.",
        "",
        "Ctrl-C ends everything.",
    ] {
        output.line(line);
    }
    std::future::pending().await
}
