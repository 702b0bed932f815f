//! One screen of evidence.

use std::sync::Arc;

use anyhow::Context;
use compat::clock::Clock;
use shadow::report::Report;

use super::{Desk, on_a_runtime};
use crate::{
    app,
    cli::Output,
    rollout::{self, NoEvidence},
    sidecar::shadow::records,
};

pub(super) fn run(desk: &Desk, output: &Output) -> anyhow::Result<u8> {
    let store = desk.store()?;
    let plans = rollout::Desk::new(
        Arc::clone(&store) as _,
        Clock::system(),
        Arc::new(NoEvidence("only the record is read")),
    );
    let (tally, record) = on_a_runtime(async {
        let told = "what was counted cannot be read from Redis";
        let tally = records::together(&*store).await.context(told)?;
        Ok((tally, plans.record().await?))
    })?;
    let rules = app::rules(&desk.config.service.data_dir)?;
    let plan = record.map(|record| record.plan).unwrap_or_default();
    let gates = app::gate_settings(&plan).context("the plan's overrides of gates")?;
    let report = Report::new(&tally, &rules, &gates);
    if tally.observations == 0 {
        output.line(
            "Nothing was compared yet. The phase must be `shadow` or later, CRS_LEGACY_URL must be \
             set, and clients must ask crs.\n",
        );
    }
    output.line(report.screen().trim_end());
    output.value(&serde_json::to_value(&report)?);
    Ok(u8::from(!report.may_advance))
}
