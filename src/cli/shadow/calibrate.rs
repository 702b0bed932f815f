//! Rules from what two runs of the Node service do differently.

use std::{collections::HashMap, fs::File, io::BufReader, path::Path};

use anyhow::Context;
use serde_json::json;
use shadow::{
    Observation,
    calibrate::calibrate,
    capture::{self, Capture, Sealer},
};

use super::Desk;
use crate::{app, cli::Output};

pub(super) fn run(desk: &Desk, one: &Path, other: &Path, output: &Output) -> anyhow::Result<()> {
    let sealer = desk.sealer()?;
    let (one, other) = (read(one, &sealer)?, read(other, &sealer)?);
    // The same request, in the order in which it was made.
    let mut partners: HashMap<Vec<u8>, Vec<&Observation>> = HashMap::new();
    for case in other.iter().rev() {
        partners.entry(identity(case)).or_default().push(&case.control);
    }
    let pairs: Vec<_> = one
        .iter()
        .filter_map(|case| Some((&case.control, partners.get_mut(&identity(case))?.pop()?)))
        .collect();
    anyhow::ensure!(!pairs.is_empty(), "the two files have no request in common");
    let rules = app::rules(&desk.config.service.data_dir)?;
    let found = calibrate(pairs, &rules);
    output.line(found.toml().trim_end());
    output.value(&json!({
        "pairs": found.pairs,
        "proposals": found.proposals.iter().map(|proposal| json!({
            "plane": proposal.plane.name(),
            "path": proposal.path,
            "pairs": proposal.pairs,
        })).collect::<Vec<_>>(),
        "toml": found.toml(),
    }));
    Ok(())
}

/// All cases of a file.
pub(in crate::cli) fn read(path: &Path, sealer: &Sealer) -> anyhow::Result<Vec<Capture>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let (_, cases) =
        capture::read(BufReader::new(file), sealer).with_context(|| path.display().to_string())?;
    cases.collect::<Result<_, _>>().with_context(|| path.display().to_string())
}

fn identity(case: &Capture) -> Vec<u8> {
    let request = &case.request;
    [request.method.as_bytes(), b" ", request.path.as_bytes(), b"\n", request.body.bytes()].concat()
}
