//! Doings of Node that a trace shows to be one of its faults that crs does not share, and that make two
//! runs too unlike to be compared. They are told as not compared, with the number in MIGRATION.md.
//!
//! What Node itself read of the account tells: of a record that was healthy, nothing is explained away.

mod accounts;
#[cfg(test)]
mod tests;

use compat::{js, store::Reply};
use serde::de::IgnoredAny;
use serde_json::Value;
use shadow::{Admission, Gap, Observation, Plane};

use crate::sidecar::tap::{Command, Exchange, NodeTrace};

/// Ends the address that exchanges ChatGPT's refresh tokens.
const TOKEN_HOST: &str = "://auth.openai.com/oauth/token";

/// Begins the address of official accounts' vendor.
const OFFICIAL: &str = "https://api.anthropic.com/";

/// What comes after a vendor's answer.
const ANSWER: [Plane; 3] = [Plane::ResponseHead, Plane::ResponseBody, Plane::Effects];

/// What cannot be compared of these two sides, if it is for one of these.
pub fn gaps(trace: &NodeTrace, control: &Observation, candidate: &Observation) -> Vec<Gap> {
    let all = Plane::ALL.iter().filter(|plane| **plane != Plane::Timing);
    let gap = |why: &str, plane: &Plane| Gap { plane: Some(*plane), why: why.to_owned() };
    if let Some(why) = explained(trace, control, candidate) {
        return all.map(|plane| gap(why, plane)).collect();
    }
    let why = unheard(trace, control).or_else(|| packed(trace));
    why.map(|why| ANSWER.iter().map(|plane| gap(why, plane)).collect()).unwrap_or_default()
}

/// Why the whole request cannot be compared.
fn explained(
    trace: &NodeTrace,
    control: &Observation,
    candidate: &Observation,
) -> Option<&'static str> {
    if trace.commands.iter().any(failed) {
        return Some("Redis failed under Node (MIGRATION 7)");
    }
    if trace.exchanges.iter().any(gave_no_token) {
        return Some("a refresh gave Node no access token (MIGRATION 61)");
    }
    let refused = |side: &Observation| matches!(side.admission, Admission::Rejected { .. });
    let parted = accounts::named(control) != accounts::named(candidate);
    let parted = parted || refused(control) != refused(candidate) || stumbled(control);
    parted.then(|| accounts::why(trace, control, candidate)).flatten()
}

/// Whether Node refused because of something that it could not read.
fn stumbled(control: &Observation) -> bool {
    match &control.admission {
        Admission::Rejected { body, .. } => body.text().is_some_and(|text| text.contains("JSON")),
        _ => false,
    }
}

/// Whether Node's client itself failed a command: its connection was lost, or it waited too long.
fn failed(command: &Command) -> bool {
    const OWN: &str = "TAP ";
    matches!(&command.reply, Some(Reply::Error(error)) if error.starts_with(OWN))
}

/// Why what became of a chat request's answer cannot be compared: Node took it for another kind of answer
/// than it was, and booked nothing.
fn unheard(trace: &NodeTrace, control: &Observation) -> Option<&'static str> {
    let chat = control.request.route.ends_with("/completions");
    let last = trace.exchanges.last().filter(|_| chat)?;
    let taken = last.response.as_ref().is_some_and(|head| (200..300).contains(&head.status));
    if !taken || !last.request.url.ends_with("/responses") {
        return None;
    }
    let asked: Value = serde_json::from_slice(&last.request_bytes()).ok()?;
    if js::truthy(asked.get("stream")) {
        return None;
    }
    let body = last.response_bytes();
    let streamed = body.split(|b| *b == b'\n').any(|line| line.starts_with(b"data:"));
    match serde_json::from_slice::<IgnoredAny>(&body) {
        Err(_) if streamed => {
            // Streams that ChatGPT accounts send where nothing was said are what both expect.
            let expected = asked.get("stream").is_none_or(Value::is_null)
                && last.request.url.contains("://chatgpt.com/");
            (!expected).then_some("a vendor streamed though nobody asked (MIGRATION 74)")
        }
        Ok(_) if control.request.stream => {
            Some("Node took a vendor's JSON for a stream (MIGRATION 62)")
        }
        _ => None,
    }
}

/// Why what became of a refused stream cannot be compared: Node reads the vendor's words packed as they are.
fn packed(trace: &NodeTrace) -> Option<&'static str> {
    let last = trace.exchanges.last()?;
    let head = last.response.as_ref().filter(|head| !(200..300).contains(&head.status))?;
    let coded = head.headers.iter().any(|(name, value)| {
        let known = ["gzip", "x-gzip", "deflate", "br", "zstd"];
        name.eq_ignore_ascii_case("content-encoding")
            && known.iter().any(|one| value.trim().eq_ignore_ascii_case(one))
    });
    if !coded || !last.request.url.starts_with(OFFICIAL) {
        return None;
    }
    let asked: Value = serde_json::from_slice(&last.request_bytes()).ok()?;
    js::truthy(asked.get("stream")).then_some("a vendor packed a stream's error (MIGRATION 77)")
}

fn gave_no_token(exchange: &Exchange) -> bool {
    let taken = exchange.response.as_ref().is_some_and(|head| (200..300).contains(&head.status));
    if !taken || !exchange.request.url.ends_with(TOKEN_HOST) {
        return false;
    }
    let told: Option<Value> = serde_json::from_slice(&exchange.response_bytes()).ok();
    !told.is_some_and(|told| js::truthy(told.get("access_token")))
}
