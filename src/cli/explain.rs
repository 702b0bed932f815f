//! `crs explain`: why a request went as it did.

use std::path::Path;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::{Output, shadow::Desk, shadow::on_a_runtime};
use crate::rollout::{Request, ask, socket_path};

pub(super) fn run(dir: &Path, id: &str, output: &Output) -> anyhow::Result<()> {
    let desk = Desk::open(dir)?;
    let socket = socket_path(&desk.config.service.data_dir);
    let asked =
        on_a_runtime(async { Ok(ask(&socket, &Request::Explain { id: id.to_owned() }).await) })?;
    let told = match &asked {
        Ok(answer) if answer["ok"] == true => Some(answer["data"].clone()),
        _ => kept(&desk, id),
    };
    let Some(told) = told else {
        asked.with_context(|| {
            format!(
                "no case of that id is kept, and no running crs of this folder could be asked ({})",
                socket.display()
            )
        })?;
        bail!(
            "request {id} is not known: the last 2,000 are, on the instance that had them. The id is the \
             one in X-Request-ID, or that of a case (`crs shadow list`)"
        );
    };
    let decisions = &told["decisions"];
    let text = |name: &str| decisions[name].as_str().unwrap_or_default().to_owned();
    let by =
        if told["served"] == true { "served by crs" } else { "served by Node, done again by crs" };
    output.line(&format!("{} {} {}: {by}", text("requestId"), text("method"), text("path")));
    for step in decisions["steps"].as_array().into_iter().flatten() {
        let part = |name: &str| step[name].as_str().unwrap_or_default();
        output.line(&format!("  {:<7} {}", part("phase"), part("text")));
    }
    output.value(&told);
    Ok(())
}

/// From a case that was captured.
fn kept(desk: &Desk, id: &str) -> Option<Value> {
    let case = desk.shelf.open(id, &desk.sealer().ok()?).ok()?;
    let reasons = case.candidate.account.map(|account| account.reasons).unwrap_or_default();
    let steps: Vec<Value> = reasons
        .iter()
        .map(|reason| {
            let (phase, text) = reason.split_once(": ").unwrap_or(("", reason));
            json!({ "phase": phase, "text": text })
        })
        .collect();
    Some(json!({
        "served": false,
        "decisions": {
            "requestId": id,
            "method": case.request.method,
            "path": case.control.request.route,
            "steps": steps,
        },
    }))
}
