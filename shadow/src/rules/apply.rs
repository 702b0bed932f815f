//! Whether a rule speaks for a finding.

use jiff::Timestamp;
use serde_json::Value;

use super::{Action, Case, Rule, Tolerance, When, glob};
use crate::difference::{DifferenceKind, Finding};

pub(super) fn speaks_for(rule: &Rule, case: &Case, finding: &Finding) -> bool {
    rule.plane == finding.plane
        && rule.kind.is_none_or(|kind| kind == finding.difference.kind)
        && fits(&rule.when, case)
        && glob::matches(&rule.path, &finding.group)
        && rule.same_but.as_ref().is_none_or(|pattern| same_but(pattern, finding))
        && holds(rule.control.as_ref(), finding.difference.control.as_ref())
        && holds(rule.candidate.as_ref(), finding.difference.candidate.as_ref())
        && match &rule.action {
            Action::Ignore | Action::Expected { .. } => true,
            Action::Tolerance(bounds) => within(bounds, finding),
        }
}

fn holds(pattern: Option<&regex::Regex>, value: Option<&Value>) -> bool {
    pattern.is_none_or(|pattern| value.is_some_and(|value| pattern.is_match(&text(value))))
}

fn fits(when: &When, case: &Case) -> bool {
    when.route.as_ref().is_none_or(|route| glob::matches(route, &case.route))
        && when.account.as_ref().is_none_or(|kind| Some(kind) == case.account.as_ref())
        && when.source.is_none_or(|source| source == case.source)
        && when.stream.is_none_or(|stream| stream == case.stream)
        && when.session.is_none_or(|session| session == case.session)
        && when.complete.is_none_or(|complete| complete == case.complete)
        && when.upstream_cut.is_none_or(|cut| cut == case.upstream_cut)
        && one_of(&when.status, case.status)
        && one_of(&when.upstream_status, case.upstream_status)
}

fn one_of(wanted: &[u16], status: Option<u16>) -> bool {
    wanted.is_empty() || status.is_some_and(|status| wanted.contains(&status))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn same_but(pattern: &regex::Regex, finding: &Finding) -> bool {
    let without = |value: &Option<Value>| {
        let text = text(value.as_ref()?);
        // Both must hold it: a made-up value in the place of a real one is no noise.
        pattern.is_match(&text).then(|| pattern.replace_all(&text, "\u{0}").into_owned())
    };
    match (without(&finding.difference.control), without(&finding.difference.candidate)) {
        (Some(a), Some(b)) => a == b,
        // A member that only one side has is named after what is made up.
        _ => {
            let kind = finding.difference.kind;
            let alone = matches!(kind, DifferenceKind::Missing | DifferenceKind::Extra);
            alone && pattern.is_match(finding.difference.path.rsplit('/').next().unwrap_or(""))
        }
    }
}

fn within(bounds: &Tolerance, finding: &Finding) -> bool {
    let (Some(a), Some(b)) = (&finding.difference.control, &finding.difference.candidate) else {
        return false;
    };
    let moments = bounds.ms.zip(moment(a).zip(moment(b)));
    if moments.is_some_and(|(most, (a, b))| (a - b).abs() <= most) {
        return true;
    }
    let Some((a, b)) = number(a).zip(number(b)) else { return false };
    let apart = (a - b).abs();
    bounds.abs.is_some_and(|most| apart <= most)
        || bounds.rel.is_some_and(|share| apart <= share * a.abs().max(b.abs()))
}

fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number: &f64| number.is_finite())
}

/// Milliseconds since 1970: ISO texts, epoch seconds or milliseconds.
fn moment(value: &Value) -> Option<f64> {
    if let Some(number) = number(value) {
        return match number {
            n if (1e12..1e13).contains(&n) => Some(n),
            n if (1e9..1e10).contains(&n) => Some(n * 1000.0),
            _ => None,
        };
    }
    let text = value.as_str()?;
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment.as_millisecond() as f64);
    }
    let http = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(http.timestamp().as_millisecond() as f64)
}
