//! What Node read of accounts that it should not have chosen, or should have.

use compat::{js, store::Reply};
use serde::de::IgnoredAny;
use serde_json::Value;
use shadow::{AccountChoice, Observation};

use crate::sidecar::{shadow::choice::record_key, tap::NodeTrace};

/// How long an overload of a CCR account lasts, and a limit that names no time.
const OVERLOAD_MS: i64 = 600_000;
const LIMIT_MINUTES: f64 = 60.0;

/// Kind and id of the account of a side.
pub(super) fn named(side: &Observation) -> Option<(&str, &str)> {
    side.account.as_ref().map(|account| (account.kind.as_str(), account.id.as_str()))
}

/// Why the two sides parted at the account, or at having one.
pub(super) fn why(
    trace: &NodeTrace,
    control: &Observation,
    candidate: &Observation,
) -> Option<&'static str> {
    let now_ms = control.request.arrived_ms;
    if let Some(why) = control.account.as_ref().and_then(|chosen| misfit(trace, chosen, now_ms)) {
        return Some(why);
    }
    let stopped =
        unreadable(trace).then_some("Node stops at a record that cannot be read (MIGRATION 46)");
    let again = candidate.account.as_ref().filter(|chosen| chosen.kind == "ccr");
    let over = || over(read(trace, &record_key("ccr", &again?.id)?)?, now_ms);
    let over = || over()?.then_some("Node leaves a CCR account out for ever (MIGRATION 45)");
    let unused = || {
        let unanswered = control.account.is_none() && trace.exchanges.is_empty();
        unanswered.then(|| without_credentials(trace, |key| key.starts_with(BEDROCK))).flatten()
    };
    stopped.or_else(over).or_else(unused)
}

/// Why Node should not have chosen the account, as it read it.
fn misfit(trace: &NodeTrace, chosen: &AccountChoice, now_ms: i64) -> Option<&'static str> {
    let key = record_key(&chosen.kind, &chosen.id)?;
    if chosen.kind == "bedrock" {
        return without_credentials(trace, |read| read == key.as_bytes());
    }
    let record = read(trace, &key)?;
    let field = |name: &str| field(record, name);
    let limited_on = || {
        let end = js::date_ms(field("rateLimitResetAt"));
        field("rateLimitStatus") == "limited" && end.is_some_and(|end| end > now_ms)
    };
    match chosen.kind.as_str() {
        "openai" if !matches!(field("isActive"), "" | "true") => {
            Some("Node kept a conversation on an account out of use (MIGRATION 58)")
        }
        "openai" if field("status") == "unauthorized" => {
            Some("Node used an account whose token was refused (MIGRATION 60)")
        }
        "openai-responses" if limited_on() => {
            Some("Node used a limited account of a group (MIGRATION 59)")
        }
        _ => None,
    }
}

/// The record as Node read it first.
fn read<'t>(trace: &'t NodeTrace, key: &str) -> Option<&'t [Reply]> {
    trace.commands.iter().find_map(|command| match (command.words.as_slice(), &command.reply) {
        ([name, read], Some(Reply::Array(fields)))
            if name.eq_ignore_ascii_case(b"HGETALL") && read == key.as_bytes() =>
        {
            Some(fields.as_slice())
        }
        _ => None,
    })
}

fn text(reply: &Reply) -> Option<&str> {
    match reply {
        Reply::Data(data) => std::str::from_utf8(data).ok(),
        _ => None,
    }
}

/// Begins the keys of Bedrock accounts.
const BEDROCK: &[u8] = b"bedrock_account:";

/// Whether Node read a Bedrock account without credentials of its own, under such a key.
fn without_credentials(trace: &NodeTrace, fits: impl Fn(&[u8]) -> bool) -> Option<&'static str> {
    let bare = trace.commands.iter().any(|command| {
        let [name, key] = command.words.as_slice() else { return false };
        let Some(Reply::Data(record)) = &command.reply else { return false };
        let Ok(Value::Object(record)) = serde_json::from_slice(record) else { return false };
        let has = |name: &str| js::truthy(record.get(name));
        name.eq_ignore_ascii_case(b"GET")
            && fits(key)
            && !has("awsCredentials")
            && !has("bearerToken")
    });
    bare.then_some("a Bedrock account has no credentials of its own (MIGRATION 75)")
}

/// Whether Node read a CCR or console account whose models or proxy are no JSON.
fn unreadable(trace: &NodeTrace) -> bool {
    const KINDS: [&str; 2] = ["ccr_account:", "claude_console_account:"];
    trace.commands.iter().any(|command| {
        let ([name, key], Some(Reply::Array(record))) = (command.words.as_slice(), &command.reply)
        else {
            return false;
        };
        let broken = |name: &str| {
            let text = field(record, name);
            !text.is_empty() && serde_json::from_str::<IgnoredAny>(text).is_err()
        };
        name.eq_ignore_ascii_case(b"HGETALL")
            && KINDS.iter().any(|kind| key.starts_with(kind.as_bytes()))
            && (broken("supportedModels") || broken("proxy"))
    })
}

/// Whether a CCR account's record tells of a state whose time is over; `None`: of none at all.
fn over(record: &[Reply], now_ms: i64) -> Option<bool> {
    let field = |name: &str| field(record, name);
    let ended = |since: &str, lasts_ms: f64| {
        js::date_ms(field(since)).is_none_or(|since| (since as f64) + lasts_ms <= now_ms as f64)
    };
    let status = field("status");
    if status == "rate_limited" || field("rateLimitStatus") == "limited" {
        let minutes = field("rateLimitDuration").parse::<f64>().ok().filter(|m| *m > 0.0);
        return Some(ended("rateLimitedAt", minutes.unwrap_or(LIMIT_MINUTES) * 60_000.0));
    }
    if status == "overloaded" || field("overloadStatus") == "overloaded" {
        return Some(ended("overloadedAt", OVERLOAD_MS as f64));
    }
    (status == "quota_exceeded" || !field("quotaStoppedAt").is_empty()).then_some(true)
}

fn field<'t>(record: &'t [Reply], name: &str) -> &'t str {
    let pair = record.chunks_exact(2).find(|pair| text(&pair[0]) == Some(name));
    pair.and_then(|pair| text(&pair[1])).unwrap_or_default()
}
