//! Status, headers and body to the client; bodies of any message by what they hold.

use super::{Outcome, Weighed, both, content, head, note, plain, sse, value};
use crate::{
    body::Body,
    difference::{Difference, DifferenceKind},
    json::compare_json,
    observation::{Observation, Response},
};

pub(super) fn compare_head(control: &Observation, candidate: &Observation) -> Outcome {
    let (a, b) = both("the answer", control.response.as_ref(), candidate.response.as_ref())?;
    let mut found: Vec<Weighed> = Vec::new();
    found.extend(value("/status", &a.status, &b.status).map(Weighed::from));
    found.extend(head::compare("", &a.headers, &b.headers));
    Ok(found)
}

pub(super) fn compare_body(control: &Observation, candidate: &Observation) -> Outcome {
    let (a, b) = both("the answer", control.response.as_ref(), candidate.response.as_ref())?;
    let mut found: Vec<Weighed> = Vec::new();
    found.extend(value("/complete", &a.complete, &b.complete).map(Weighed::from));
    if is_stream(a) || is_stream(b) {
        whole(&a.body, &b.body)?;
        found.extend(streams(a, b));
    } else {
        found.extend(bodies("", &a.body, &b.body)?);
    }
    Ok(found)
}

/// JSON by path, anything else by its bytes.
pub(super) fn bodies(path: &str, a: &Body, b: &Body) -> Outcome {
    whole(a, b)?;
    if a.bytes() == b.bytes() {
        return Ok(Vec::new());
    }
    if let (Some(x), Some(y)) = (a.json(), b.json()) {
        let mut found = plain(compare_json(&x, &y));
        for Weighed(difference, _) in &mut found {
            difference.path = format!("{path}{}", difference.path);
        }
        if found.is_empty() {
            found.push(note(bytes(path, a, b)));
        }
        return Ok(found);
    }
    Ok(vec![match (a.bytes().is_empty(), b.bytes().is_empty()) {
        (false, true) => Difference::missing(named(path), shown(a)).into(),
        (true, false) => Difference::extra(named(path), shown(b)).into(),
        _ if a.json().is_some() != b.json().is_some() => {
            let kind = DifferenceKind::Type;
            Difference::between(kind, named(path), shown(a), shown(b)).into()
        }
        _ => bytes(path, a, b).into(),
    }])
}

fn streams(a: &Response, b: &Response) -> Vec<Weighed> {
    if a.body.bytes() == b.body.bytes() {
        return Vec::new();
    }
    let (x, y) = (sse::parse(a.body.bytes()), sse::parse(b.body.bytes()));
    let mut found = plain(sse::compare(&x, &y));
    found.extend(plain(compare_json(&content::assemble(&x), &content::assemble(&y))));
    if found.is_empty() {
        found.push(note(bytes("", &a.body, &b.body)));
    }
    found
}

/// By the type the head claims, or by the look of the first line.
fn is_stream(response: &Response) -> bool {
    let claimed = response.headers.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case("content-type") && value.starts_with("text/event-stream")
    });
    let start = response.body.bytes();
    claimed || [b"event:".as_slice(), b"data:"].iter().any(|mark| start.starts_with(mark))
}

fn whole(a: &Body, b: &Body) -> Result<(), String> {
    if a.left_out() > 0 || b.left_out() > 0 {
        return Err("a body was too large to keep whole".into());
    }
    Ok(())
}

fn bytes(path: &str, a: &Body, b: &Body) -> Difference {
    let path = format!("{path}/bytes");
    Difference::between(DifferenceKind::Value, path, shown(a), shown(b))
}

fn named(path: &str) -> String {
    if path.is_empty() { "/body".into() } else { path.to_owned() }
}

/// Short enough to be looked at; the whole body stands in the observation.
fn shown(body: &Body) -> String {
    const MOST: usize = 400;
    let text = String::from_utf8_lossy(body.bytes());
    match text.char_indices().nth(MOST) {
        None => text.into_owned(),
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], body.bytes().len()),
    }
}
