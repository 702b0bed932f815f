//! One case.

use anyhow::Context;
use serde_json::json;
use shadow::{capture::Capture, report};

use super::Desk;
use crate::cli::Output;

pub(super) fn run(
    desk: &Desk,
    id: Option<String>,
    whole: bool,
    output: &Output,
) -> anyhow::Result<()> {
    let id = match id {
        Some(id) => id,
        None => desk.shelf.ids().pop().context("no case is kept on this machine")?,
    };
    let case = desk.shelf.open(&id, &desk.sealer()?)?;
    let Capture { control, candidate, verdict, .. } = &case;
    output.line(report::show(control, candidate, verdict).trim_end());
    if whole {
        for (name, side) in [("Node", control), ("crs", candidate)] {
            let body = side.response.as_ref().and_then(|response| response.body.text());
            output
                .line(&format!("\n--- answer of {name}\n{}", body.unwrap_or("(none, or no text)")));
        }
    }
    let mut shown = report::show_json(control, candidate, verdict);
    if whole && let Some(shown) = shown.as_object_mut() {
        shown.insert("capture".to_owned(), serde_json::to_value(&case)?);
    }
    output.value(&shown);
    Ok(())
}

pub(super) fn list(desk: &Desk, output: &Output) -> anyhow::Result<()> {
    let sealer = desk.sealer()?;
    let mut listed = Vec::new();
    for id in desk.shelf.ids() {
        let Ok(case) = desk.shelf.open(&id, &sealer) else {
            output.line(&format!("{id}  sealed with another ENCRYPTION_KEY"));
            continue;
        };
        let differs: Vec<_> = case
            .verdict
            .planes
            .iter()
            .filter(|(_, verdict)| **verdict == shadow::PlaneVerdict::Differ)
            .map(|(plane, _)| plane.name())
            .collect();
        let agrees = if differs.is_empty() { "agrees".to_owned() } else { differs.join(", ") };
        let at = compat::clock::iso(case.captured_ms);
        output.line(&format!("{id}  {at}  {}  {agrees}", case.control.request.route));
        listed.push(json!({
            "id": id,
            "at": at,
            "route": case.control.request.route,
            "differs": differs,
        }));
    }
    if listed.is_empty() {
        output.line("No case is kept on this machine.");
    }
    output.value(&json!({ "cases": listed }));
    Ok(())
}
