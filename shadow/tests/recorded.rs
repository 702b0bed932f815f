//! Recorded exchanges of the legacy service: equal ones agree, and what is taken out of one is found.

#![expect(clippy::unwrap_used, reason = "a recording that cannot be read fails the test")]

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use shadow::{
    Admission, DifferenceKind, Headers, Observation, Plane, PlaneVerdict, Response, Rules, Source,
    UpstreamExchange, judge,
};

fn recordings(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            recordings(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
}

fn headers(value: &Value) -> Headers {
    let list = value.as_object().into_iter().flatten();
    list.map(|(name, value)| {
        (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    })
    .collect()
}

fn body(value: &Value) -> String {
    if let Some(events) = value["sse"].as_array() {
        let event = |event: &Value| match event["event"].as_str() {
            Some(name) => format!("event: {name}\ndata: {}\n\n", event["data"]),
            None => format!("data: {}\n\n", event["data"]),
        };
        return events.iter().map(event).collect();
    }
    match value.get("json") {
        Some(json) => json.to_string(),
        None => value["text"].as_str().unwrap_or_default().to_owned(),
    }
}

fn observation(recording: &Value) -> Option<Observation> {
    let recorded = &recording["observation"];
    let response = recorded["steps"].get(0)?.get("response")?;
    let exchange = |exchange: &Value| UpstreamExchange {
        method: exchange["method"].as_str().unwrap_or_default().to_owned(),
        url: format!("https://vendor.test{}", exchange["target"].as_str().unwrap_or_default()),
        headers: headers(&exchange["headers"]),
        body: body(&exchange["body"]).into(),
        proxy: None,
        answer: None,
    };
    let empty = Vec::new();
    let upstream = recorded["upstream"].as_array().unwrap_or(&empty);
    Some(Observation {
        admission: Admission::Admitted,
        upstream: Some(upstream.iter().map(exchange).collect()),
        response: Some(Response {
            status: u16::try_from(response["status"].as_u64()?).ok()?,
            headers: headers(&response["headers"]),
            body: body(&response["body"]).into(),
            complete: true,
        }),
        effects: Some(recorded.get("redis").cloned().unwrap_or(Value::Object(Map::new()))),
        source: Source::Tap,
        ..Observation::default()
    })
}

fn all() -> Vec<(String, Observation)> {
    let mut files = Vec::new();
    recordings(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../compat/http"), &mut files);
    files.sort();
    let read = |path: PathBuf| {
        let value: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        Some((path.file_stem()?.to_string_lossy().into_owned(), observation(&value)?))
    };
    let all: Vec<_> = files.into_iter().filter_map(read).collect();
    assert!(all.len() > 100, "{}", all.len());
    all
}

/// One in ten, which is quick enough and has every kind of answer.
fn some() -> impl Iterator<Item = (String, Observation)> {
    all().into_iter().step_by(10)
}

#[test]
fn equal_recordings_agree_on_every_plane() {
    let rules = Rules::built_in().unwrap();
    for (name, side) in all() {
        let verdict = judge(&side, &side.clone(), &rules);
        let agrees = verdict.planes.values().all(|plane| *plane == PlaneVerdict::Agree);
        assert!(agrees && verdict.findings.is_empty(), "{name}: {verdict:?}");
    }
}

#[test]
fn every_key_of_a_recording_is_missed() {
    let rules = Rules::built_in().unwrap();
    for (name, side) in some() {
        let keys = side.effects.as_ref().and_then(Value::as_object).unwrap();
        for key in keys.keys().filter(|key| !key.ends_with(":index:empty")) {
            let mut other = side.clone();
            other.effects.as_mut().and_then(Value::as_object_mut).unwrap().remove(key);
            let verdict = judge(&side, &other, &rules);
            let found = &verdict.findings;
            assert_eq!(found.len(), 1, "{name} {key}: {found:?}");
            assert!(found[0].counts(), "{name} {key}: {found:?}");
            assert_eq!(
                (found[0].plane, found[0].difference.kind),
                (Plane::Effects, DifferenceKind::Missing)
            );
        }
    }
}

#[test]
fn every_header_of_an_upstream_request_is_missed() {
    let rules = Rules::built_in().unwrap();
    for (name, side) in some() {
        let Some(first) = side.upstream.as_ref().and_then(|exchanges| exchanges.first()) else {
            continue;
        };
        for at in 0..first.headers.len() {
            let mut other = side.clone();
            let exchange = &mut other.upstream.as_mut().unwrap()[0];
            let (header, _) = exchange.headers.remove(at);
            let verdict = judge(&side, &other, &rules);
            let found = &verdict.findings;
            assert_eq!(found.len(), 1, "{name} {header}: {found:?}");
            assert_eq!(found[0].difference.path, format!("/headers/{header}"));
            assert!(found[0].counts());
        }
    }
}
