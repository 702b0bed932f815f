//! One screen of evidence.

use anyhow::Context;
use shadow::{gates::GateSettings, report::Report};

use super::{Desk, on_a_runtime};
use crate::{app, cli::Output, sidecar::shadow::records};

pub(super) fn run(desk: &Desk, output: &Output) -> anyhow::Result<u8> {
    let store = desk.store()?;
    let tally = on_a_runtime(async {
        records::together(&*store).await.context("what was counted cannot be read from Redis")
    })?;
    let rules = app::rules(&desk.config.service.data_dir)?;
    let report = Report::new(&tally, &rules, &GateSettings::default());
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
