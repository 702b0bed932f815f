//! The report as text.

use jiff::Timestamp;

use super::{Report, WIDTH};
use crate::{difference::Weight, gates::percent};

pub(super) fn render(report: &Report) -> String {
    let mut lines = Vec::new();
    seen(report, &mut lines);
    lines.push(String::new());
    planes(report, &mut lines);
    differs(report, &mut lines);
    uncovered(report, &mut lines);
    ignored(report, &mut lines);
    gates(report, &mut lines);
    let mut text = String::new();
    for line in lines {
        text.push_str(fit(&line, WIDTH).trim_end());
        text.push('\n');
    }
    text
}

fn seen(report: &Report, lines: &mut Vec<String>) {
    if report.observations == 0 {
        lines.push("Nothing was compared yet.".into());
    } else {
        let share = report.agreeing as f64 / report.observations as f64;
        lines.push(format!(
            "{} requests compared in {} h ({} to {}), {} agree",
            report.observations,
            report.hours,
            moment(report.first_ms),
            moment(report.last_ms),
            percent(share),
        ));
        let sources: Vec<_> =
            report.sources.iter().rev().map(|(s, n)| format!("{} {n}", s.name())).collect();
        lines.push(format!("Evidence: {}", sources.join(", ")));
    }
    if let Some([[first, late_first], [end, late_end]]) = report.timing {
        lines.push(format!(
            "Legacy service: first byte {first:.0} ms (95 % {late_first:.0}), \
             end {end:.0} ms (95 % {late_end:.0})"
        ));
    }
    if !report.dropped.is_empty() {
        let all: u64 = report.dropped.values().sum();
        let why: Vec<_> = report.dropped.iter().map(|(why, n)| format!("{why} {n}")).collect();
        lines.push(format!("Not compared though asked for: {all} ({})", why.join(", ")));
    }
    if !report.not_owned.is_empty() {
        let routes: Vec<_> = report.not_owned.iter().map(|(r, n)| format!("{r} {n}")).collect();
        lines.push(format!("Always to the legacy service: {}", routes.join(", ")));
    }
}

fn planes(report: &Report, lines: &mut Vec<String>) {
    lines.push(
        "PLANE              COMPARED    AGREE  IGNORED   DIFFER  MATCH     NOT COMPARED".into(),
    );
    for plane in &report.planes {
        let rate = match plane.compared {
            0 => "-".into(),
            all => percent(1.0 - plane.differ as f64 / all as f64),
        };
        let why = plane.why_not.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        lines.push(format!(
            "{:<18} {:>8} {:>8} {:>8} {:>8}  {:<9} {}{}",
            plane.plane,
            plane.compared,
            plane.agree,
            plane.ignored_only,
            plane.differ,
            rate,
            plane.not_compared,
            why,
        ));
    }
}

fn differs(report: &Report, lines: &mut Vec<String>) {
    lines.push(String::new());
    if report.differs.is_empty() {
        lines.push("Nothing differs.".into());
        return;
    }
    lines.push(
        "WHAT DIFFERS MOST                                                   REQUESTS  EXAMPLE"
            .into(),
    );
    for group in &report.differs {
        let mark = if group.weight == Weight::Money { "$ " } else { "" };
        let what = format!("{mark}{} {} {}", group.plane, group.path, group.kind);
        let at = fit(&what, 66);
        lines.push(format!("{at:<66} {:>9}  {}", group.requests, short(&group.example)));
        lines.push(format!("    on {}", group.route));
    }
    if report.more_groups > 0 {
        lines.push(format!("… and {} more", report.more_groups));
    }
}

/// As much of an id as tells it from others; `crs shadow diff` takes it so.
fn short(id: &str) -> &str {
    if id.len() > 16 { id.split('-').next().unwrap_or(id) } else { id }
}

fn uncovered(report: &Report, lines: &mut Vec<String>) {
    lines.push(String::new());
    if report.uncovered.is_empty() {
        lines.push(format!("All {} kinds of traffic in use are covered.", report.cells));
        return;
    }
    lines.push(
        "NOT YET COVERED                                                     COMPARED   PASSED"
            .into(),
    );
    for line in &report.uncovered {
        let cell = fit(&line.cell.shown(), 66);
        lines.push(format!("{cell:<66} {:>9} {:>8}", line.compared, line.passed));
    }
    if report.more_cells > 0 {
        lines.push(format!("… and {} more", report.more_cells));
    }
}

fn ignored(report: &Report, lines: &mut Vec<String>) {
    if report.ignored.is_empty() {
        return;
    }
    lines.push(String::new());
    let rules: Vec<_> =
        report.ignored.iter().map(|rule| format!("{} {}", rule.rule, rule.count)).collect();
    lines.extend(wrapped("Ignored by rule: ", &rules));
    if !report.unused_rules.is_empty() {
        lines.push(format!("{} rules spoke for nothing.", report.unused_rules.len()));
    }
}

fn gates(report: &Report, lines: &mut Vec<String>) {
    lines.push(String::new());
    let verdict = if report.may_advance { "yes, all gates are green" } else { "not yet" };
    lines.push(format!("MAY I ADVANCE?  {verdict}"));
    for gate in &report.gates {
        let mark = if gate.green { "ok " } else { "NO " };
        lines.push(format!(
            "{mark} {:<25} {:>8}  {:<15} {}",
            gate.gate, gate.have, gate.need, gate.explanation
        ));
    }
}

/// Items after a head, on as many lines as they need.
fn wrapped(head: &str, items: &[String]) -> Vec<String> {
    let mut lines = vec![head.to_owned()];
    for (at, item) in items.iter().enumerate() {
        let end = if at + 1 < items.len() { ", " } else { "" };
        let last = lines.last().map_or(0, |line| line.chars().count());
        if last + item.chars().count() + end.len() > WIDTH && last > 4 {
            lines.push("    ".into());
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(item);
            line.push_str(end);
        }
    }
    lines
}

/// At most so many characters, with a mark where something was cut.
fn fit(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

fn moment(ms: i64) -> String {
    let text = Timestamp::from_millisecond(ms).map(|moment| moment.to_string()).unwrap_or_default();
    // 2026-07-24T10:00 of 2026-07-24T10:00:00Z
    text.get(..16).unwrap_or_default().replace('T', " ")
}
