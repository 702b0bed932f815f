//! One case: what both sides did, plane by plane, as a text difference.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use similar::TextDiff;

use crate::{
    body::Body,
    compare::parse_events,
    difference::{Difference, Finding, Plane},
    observation::{AccountChoice, Admission, Headers, Observation},
    redact::Redactor,
    verdict::{PlaneVerdict, Verdict},
};

/// Lines of unchanged text around a change.
const CONTEXT: usize = 3;
/// Lines of one plane's difference; the rest is counted.
const LINES: usize = 400;

/// The case as text. Both sides are redacted once more, so it may be shown whatever they hold.
pub fn show(control: &Observation, candidate: &Observation, verdict: &Verdict) -> String {
    let redactor = Redactor::new(false);
    let (mut control, mut candidate) = (control.clone(), candidate.clone());
    redactor.observation(&mut control);
    redactor.observation(&mut candidate);
    let request = &control.request;
    let mut out = format!(
        "{} {} {}\nkey {}  model {}  {}  evidence {}\n",
        request.id,
        request.method,
        request.path,
        request.key_id.as_deref().unwrap_or("-"),
        request.model.as_deref().unwrap_or("-"),
        if request.stream { "stream" } else { "plain" },
        verdict.source.name(),
    );
    for plane in Plane::ALL {
        out.push_str(&section(plane, &control, &candidate, verdict));
    }
    if verdict.unlisted > 0 {
        out.push_str(&format!("\n{} further differences are not listed.\n", verdict.unlisted));
    }
    out
}

/// The case as JSON: the verdict, and both sides' reasons for their account.
pub fn show_json(control: &Observation, candidate: &Observation, verdict: &Verdict) -> Value {
    let reasons = |side: &Observation| {
        side.account.as_ref().map(|account| account.reasons.clone()).unwrap_or_default()
    };
    json!({
        "request": control.request,
        "verdict": verdict,
        "account_reasons": { "control": reasons(control), "candidate": reasons(candidate) },
        "timing": { "control": control.timing, "candidate": candidate.timing },
    })
}

fn section(plane: Plane, a: &Observation, b: &Observation, verdict: &Verdict) -> String {
    let findings: Vec<&Finding> =
        verdict.findings.iter().filter(|finding| finding.plane == plane).collect();
    let state = match verdict.planes.get(&plane) {
        None => "not compared".into(),
        Some(PlaneVerdict::Agree) => "agrees".into(),
        Some(PlaneVerdict::IgnoredOnly) => "agrees but for what is known".into(),
        Some(PlaneVerdict::Differ) => "DIFFERS".into(),
        Some(PlaneVerdict::NotCompared { why }) => format!("not compared: {why}"),
    };
    let mut out = format!("\n== {plane}: {state}\n");
    // What counts, one by one; what rules speak for, counted.
    let mut ruled: BTreeMap<&str, (usize, &Finding)> = BTreeMap::new();
    for finding in &findings {
        let mark = match &finding.rule {
            Some(rule) => {
                ruled.entry(rule).or_insert((0, finding)).0 += 1;
                continue;
            }
            None if !finding.counts() => "  (note)",
            None if finding.weight == crate::Weight::Money => "  (money)",
            None => "",
        };
        let Difference { kind, path, .. } = &finding.difference;
        out.push_str(&format!("   {kind} {path}{mark}\n"));
    }
    for (rule, (count, example)) in ruled {
        let Difference { kind, path, .. } = &example.difference;
        let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
        out.push_str(&format!("   {kind} {path}{more}  (rule {rule})\n"));
    }
    if plane == Plane::Account {
        out.push_str(&reasons("legacy", a.account.as_ref()));
        out.push_str(&reasons("crs", b.account.as_ref()));
    } else if findings.iter().any(|finding| finding.counts()) {
        out.push_str(&unified(&text(plane, a), &text(plane, b)));
    }
    out
}

fn reasons(side: &str, account: Option<&AccountChoice>) -> String {
    let Some(account) = account else { return format!("   {side}: no account\n") };
    let mut out = format!("   {side}: {} {} ({})\n", account.kind, account.id, account.platform);
    for reason in &account.reasons {
        out.push_str(&format!("      {reason}\n"));
    }
    out
}

fn unified(a: &str, b: &str) -> String {
    let diff = TextDiff::configure().timeout(std::time::Duration::from_secs(2)).diff_lines(a, b);
    let text = diff
        .unified_diff()
        .context_radius(CONTEXT)
        .missing_newline_hint(false)
        .header("legacy", "crs")
        .to_string();
    let all = text.lines().count();
    let mut out: String = text.lines().take(LINES).flat_map(|line| [line, "\n"]).collect();
    if all > LINES {
        out.push_str(&format!("… {} more lines\n", all - LINES));
    }
    out
}

fn text(plane: Plane, side: &Observation) -> String {
    match plane {
        Plane::Admission => match &side.admission {
            Admission::Rejected { status, body } => format!("{status}\n{}", shown(body)),
            Admission::Admitted => "admitted\n".into(),
            Admission::Unknown => "unknown\n".into(),
        },
        Plane::UpstreamRequest => {
            let exchange = |e: &crate::UpstreamExchange| {
                format!("{} {}\n{}\n{}\n", e.method, e.url, headers(&e.headers), shown(&e.body))
            };
            side.upstream.iter().flatten().map(exchange).collect()
        }
        Plane::ResponseHead => side.response.as_ref().map_or(String::new(), |response| {
            format!("{}\n{}", response.status, headers(&response.headers))
        }),
        Plane::ResponseBody => side.response.as_ref().map_or(String::new(), |response| {
            let end = if response.complete { "" } else { "(broke off)\n" };
            format!("{}{end}", shown(&response.body))
        }),
        Plane::Effects => {
            side.effects.as_ref().map_or(String::new(), |effects| pretty(&sorted(effects)))
        }
        Plane::Account | Plane::Timing => String::new(),
    }
}

fn headers(headers: &Headers) -> String {
    headers
        .iter()
        .map(|(name, value)| format!("{}: {value}\n", name.to_ascii_lowercase()))
        .collect()
}

/// JSON indented, event streams event by event, other texts as they are.
fn shown(body: &Body) -> String {
    if let Some(value) = body.json() {
        return pretty(&value);
    }
    let Some(text) = body.text() else { return format!("({} bytes)\n", body.bytes().len()) };
    if !text.starts_with("event:") && !text.starts_with("data:") {
        return format!("{text}\n");
    }
    let event = |event: crate::compare::Event| {
        let data = match &event.data {
            Value::String(text) => format!("{text}\n"),
            data => pretty(data),
        };
        format!("event {}\n{data}\n", event.label())
    };
    parse_events(body.bytes()).into_iter().map(event).collect()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).map(|text| text + "\n").unwrap_or_default()
}

/// Members by name, since their order says nothing about Redis.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut names: Vec<_> = members.iter().collect();
            names.sort_by_key(|(name, _)| *name);
            names.into_iter().map(|(name, value)| (name.clone(), sorted(value))).collect()
        }
        other => other.clone(),
    }
}
