//! `config/config.js` of the Node service against what crs would use.
//!
//! Operators may have edited that file; crs reads only the environment. Node itself is asked for the
//! effective values, and each that differs is listed with the line that carries it over.

mod compare;
mod rule;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::Path, process::Stdio, time::Duration};

use serde_json::{Value, json};

use super::{check::Check, report::Findings};
use crate::config::Source;
#[cfg(test)]
use compare::Carry;
use compare::Difference;

/// Longest wait for `node`.
const PATIENCE: Duration = Duration::from_secs(15);

/// Prints every leaf of the configuration as `[path, value]`; what JSON cannot hold becomes text.
const ASK: &str = r#"
const fs = require("fs"), leaves = [], seen = new Set();
const plain = v => typeof v === "function" || typeof v === "bigint" || typeof v === "symbol"
  || (typeof v === "number" && !Number.isFinite(v)) ? String(v) : v === undefined ? null : v;
const walk = (v, at) => {
  if (Buffer.isBuffer(v)) return leaves.push([at, "(" + v.length + " bytes)"]);
  if (v === null || typeof v !== "object" || Array.isArray(v)) return leaves.push([at, plain(v)]);
  if (seen.has(v)) return;
  seen.add(v);
  for (const name of Object.keys(v)) walk(v[name], at ? at + "." + name : name);
};
walk(require(process.argv[1]), "");
fs.writeSync(1, "\n\u0001" + JSON.stringify(leaves) + "\n");
process.exit(0);
"#;

/// What became of the comparison.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum SettingsReport {
    /// There is no `config/config.js`: nothing to carry over.
    #[default]
    Absent,
    /// There is one, but no `node` to ask.
    NoNode,
    /// Node could not evaluate it.
    Failed(String),
    /// Compared; the differences.
    Compared(Vec<Difference>),
}

impl SettingsReport {
    /// Compares `config/config.js` in `dir`, when there is one, with what crs takes from `source`.
    pub async fn read(dir: &Path, source: &dyn Source) -> Self {
        let file = dir.join("config").join("config.js");
        let Ok(file) = file.canonicalize() else { return Self::Absent };
        let asked = tokio::process::Command::new("node")
            .arg("-e")
            .arg(ASK)
            .arg(&file)
            .current_dir(dir)
            .env_remove("NODE_OPTIONS")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = match tokio::time::timeout(PATIENCE, asked).await {
            Err(_) => return Self::Failed(format!("node did not finish within {PATIENCE:?}")),
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => return Self::NoNode,
            Ok(Err(error)) => return Self::Failed(format!("node could not be run: {error}")),
            Ok(Ok(output)) => output,
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let leaves = text.rsplit_once('\u{1}').map(|(_, json)| json);
        match leaves.and_then(|json| serde_json::from_str::<Vec<(String, Value)>>(json).ok()) {
            Some(leaves) => {
                let leaves: BTreeMap<_, _> = leaves.into_iter().collect();
                Self::Compared(compare::differences(&leaves, source, dir))
            }
            None => Self::Failed(reason(&String::from_utf8_lossy(&output.stderr))),
        }
    }

    /// Adds what needs doing to the findings.
    pub(super) fn report(&self, findings: &mut Findings) {
        let file = "config/config.js";
        match self {
            Self::Absent => {}
            Self::NoNode => {
                findings.add(
                    Check::SettingsUnread,
                    file,
                    "node is not installed; compare it by hand",
                );
            }
            Self::Failed(reason) => findings.add(Check::SettingsFailed, file, reason),
            Self::Compared(differences) => {
                for difference in differences.iter().filter(|one| one.matters()) {
                    findings.add(Check::Setting, &difference.path, difference.advice());
                }
            }
        }
    }

    /// For machines.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Absent => json!({ "status": "absent" }),
            Self::NoNode => json!({ "status": "no-node" }),
            Self::Failed(reason) => json!({ "status": "failed", "reason": reason }),
            Self::Compared(differences) => json!({
                "status": "compared",
                "differences": differences.iter().map(Difference::to_json).collect::<Vec<_>>(),
            }),
        }
    }
}

/// The line of Node's complaint that says what is wrong.
fn reason(stderr: &str) -> String {
    let telling = stderr.lines().find(|line| line.contains("Error"));
    let line = telling.or_else(|| stderr.lines().find(|line| !line.trim().is_empty()));
    line.unwrap_or("node printed nothing").trim().to_owned()
}
