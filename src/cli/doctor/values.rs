//! Looks into some values of every pattern: JSON, numbers and counters must read as such.

use compat::{
    catalogue::{Catalogue, Entry, Form, Ttl},
    number,
    store::{Cmd, Reply, Store, StoreError},
};
use serde_json::Value;

use super::{
    census::{Census, shown},
    check::Check,
    reading::run_all,
    report::Findings,
};

/// Written by a status reset under a wrong name; nothing reads it.
const STRAY: &str = "bedrock:account:{account_id}";

/// Checks up to `per_pattern` keys of each pattern.
pub(super) async fn check(
    store: &dyn Store,
    catalogue: &Catalogue,
    census: &Census,
    per_pattern: usize,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    for entry in catalogue.entries() {
        let keys = census.keys(entry.pattern);
        if entry.ttl == Ttl::Any || entry.pattern == STRAY {
            keys.iter().for_each(|key| findings.add(Check::Obsolete, entry.pattern, key));
        }
        // Spread over all, so that old and new data are seen.
        let step = (keys.len() / per_pattern.max(1)).max(1);
        let keys: Vec<_> = keys.iter().step_by(step).take(per_pattern).collect();
        let Some(cmds) = keys.iter().map(|key| read(entry, key)).collect::<Option<Vec<_>>>() else {
            continue;
        };
        for (key, reply) in keys.into_iter().zip(run_all(store, cmds).await?) {
            if let Some(wrong) = fault(entry, reply)? {
                let subject = format!("{}: {wrong}", entry.pattern);
                findings.add(Check::Unreadable, subject, shown(entry, key));
            }
        }
    }
    Ok(())
}

fn read(entry: &Entry, key: &str) -> Option<Cmd> {
    match (entry.value, entry.kind) {
        (Form::Number | Form::Json, "string") => Some(Cmd::new("GET").arg(key)),
        (Form::Number | Form::Json, "list") => {
            Some(Cmd::new("LRANGE").arg(key).arg(0_i64).arg(4_i64))
        }
        (Form::Counters, "hash") => Some(Cmd::new("HGETALL").arg(key)),
        (Form::Record, "hash") if entry.pattern == "session:{token}" => {
            Some(Cmd::new("HMGET").arg(key).arg("username").arg("loginTime"))
        }
        _ => None,
    }
}

/// What is wrong with a value; a key that is gone meanwhile is fine.
fn fault(entry: &Entry, reply: Reply) -> Result<Option<&'static str>, StoreError> {
    if matches!(reply, Reply::Nil | Reply::Error(_)) {
        return Ok(None);
    }
    let is_number = |text: &String| number::parse_number(text).is_some_and(f64::is_finite);
    let is_json = |text: &String| serde_json::from_str::<Value>(text).is_ok_and(|v| v.is_object());
    Ok(match entry.value {
        Form::Record => {
            let fields = reply.texts()?;
            fields.iter().any(String::is_empty).then_some("not a login, and never counts as one")
        }
        Form::Counters => {
            let whole = |text: &String| text.parse::<i64>().is_ok();
            (!reply.map()?.values().all(whole)).then_some("a counter is no whole number")
        }
        Form::Number => (!texts(reply)?.iter().all(is_number)).then_some("not a number"),
        Form::Json => (!texts(reply)?.iter().all(is_json)).then_some("not a JSON object"),
        Form::Text | Form::Members | Form::Events => None,
    })
}

fn texts(reply: Reply) -> Result<Vec<String>, StoreError> {
    match reply {
        Reply::Array(_) => reply.texts(),
        other => Ok(other.text()?.into_iter().collect()),
    }
}
