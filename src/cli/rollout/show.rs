//! The rollout for people, and the same for machines.

use serde_json::{Value, json};

use super::Output;
use crate::rollout::{Command, Names, Phase, Plan, Record};

/// Record, next step and instances.
pub(super) fn status(output: &Output, record: Option<&Record>, gates: &Value, instances: &[Value]) {
    let plan = record.map_or_else(Plan::default, |record| record.plan.clone());
    let next = Command::Advance.apply(&plan, 0).ok().map(|next| next.position());
    let paused = if plan.paused { ", PAUSED" } else { "" };
    output.line(&format!("phase      {}{paused}", plan.position()));
    match record {
        Some(record) => output.line(&format!("           {}", said(record))),
        None => output.line("           nobody changed anything yet"),
    }
    if plan.phase == Phase::Canary {
        named(output, "in", &plan.share.include);
        named(output, "out", &plan.share.exclude);
    }
    let ramp: Vec<String> = plan.ramp.iter().map(ToString::to_string).collect();
    let automatic = if plan.automatic { ", goes up by itself" } else { "" };
    output.line(&format!(
        "ramp       {} %, at least {} min each{automatic}",
        ramp.join(", "),
        plan.hold_minutes
    ));
    if let Some(next) = &next {
        output.line(&format!("next       {next}"));
    }
    self::gates(output, gates);
    if instances.is_empty() {
        output.line("instances  none");
    }
    for (place, instance) in instances.iter().enumerate() {
        let label = if place == 0 { "instances" } else { "" };
        output.line(&format!("{label:<10} {}", about(instance)));
    }
    output.value(&json!({
        "position": plan.position(),
        "plan": plan,
        "record": record,
        "next": next,
        "gates": gates,
        "instances": instances,
    }));
}

/// One gate a line; text only.
pub(super) fn gates(output: &Output, gates: &Value) {
    for gate in gates.as_array().into_iter().flatten() {
        let text = |name: &str| gate[name].as_str().unwrap_or_default();
        let colour = if gate["passed"] == json!(true) { "green" } else { "RED" };
        output.line(&format!("  {colour:<6}   {}: {}", text("name"), text("detail")));
    }
}

/// One instance, as it answers for itself.
pub(super) fn instance(output: &Output, data: &Value) {
    output.line(&format!("instance   {}", about(&data["instance"])));
    output.value(data);
}

/// What a change did.
pub(super) fn changed(output: &Output, changed: bool, record: &Record) {
    if changed {
        output.line(&format!("{} -> {}", record.change.from, record.change.to));
        output.line("All running instances follow within 2 s.");
    } else {
        output.line(&format!("{}: it stood so before", record.plan.position()));
    }
    output.value(&json!({ "changed": changed, "record": record }));
}

/// The history.
pub(super) fn history(output: &Output, records: &[Record]) {
    if records.is_empty() {
        output.line("Nobody changed anything yet.");
    }
    for record in records {
        output.line(&said(record));
    }
    output.value(&json!({ "history": records }));
}

fn said(record: &Record) -> String {
    let change = &record.change;
    let why = change.why.as_deref().filter(|why| !why.is_empty());
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    let forced = if change.forced { ", gates overruled" } else { "" };
    let step = if change.from == change.to {
        change.to.clone()
    } else {
        format!("{} -> {}", change.from, change.to)
    };
    format!(
        "{} #{} {} {step} by {} ({}{forced}){why}",
        change.at, record.version, change.action, change.who, change.via
    )
}

fn named(output: &Output, label: &str, names: &Names) {
    for (what, list) in names.lists() {
        if !list.is_empty() {
            let list: Vec<&str> = list.iter().map(String::as_str).collect();
            output.line(&format!("{label:<10} {what} {}", list.join(", ")));
        }
    }
}

fn about(instance: &Value) -> String {
    let text = |name: &str| instance[name].as_str().unwrap_or("?");
    let why = match instance["source"].as_str() {
        Some("record" | "default") | None => String::new(),
        Some(source) => {
            format!(" ({source}: {})", instance["why"].as_str().unwrap_or("no reason given"))
        }
    };
    format!(
        "{} on {} ({}), version {}: {}{why}",
        text("name"),
        text("host"),
        text("address"),
        text("version"),
        text("position")
    )
}
