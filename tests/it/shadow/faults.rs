//! Each way in which the stand-in can be told to misbehave is reported on its plane, at its path.

use serde_json::{Value, json};
use shadow::{
    Plane, Source, Weight, capture::Capture, rules::matches, tally::GroupKey, verdict::GroupCount,
};

use super::{Stage, usual_seed};

/// Fault, plane, pattern of the normalised path.
const FAULTS: [(&str, Plane, &str); 35] = [
    ("beta-missing", Plane::UpstreamRequest, "/**/headers/anthropic-beta"),
    ("beta-wrong", Plane::UpstreamRequest, "/**/headers/anthropic-beta"),
    ("upstream-header-extra", Plane::UpstreamRequest, "/**/headers/x-standin-extra"),
    ("upstream-header-missing", Plane::UpstreamRequest, "/**/headers/x-app"),
    ("upstream-field-changed", Plane::UpstreamRequest, "/**/body/max_tokens"),
    ("upstream-field-extra", Plane::UpstreamRequest, "/**/body/standin"),
    ("upstream-session", Plane::UpstreamRequest, "/**/body/metadata/user_id"),
    ("upstream-path", Plane::UpstreamRequest, "/**/url/**"),
    ("other-account", Plane::Account, "/**"),
    ("sticky-missing", Plane::Effects, "/unified_claude_session_mapping:*/**"),
    ("event-dropped", Plane::ResponseBody, "/events/**"),
    ("events-swapped", Plane::ResponseBody, "/events/**"),
    ("delta-altered", Plane::ResponseBody, "/**/text"),
    ("usage-altered", Plane::ResponseBody, "/**/usage/output_tokens"),
    ("text-altered", Plane::ResponseBody, "/**/text"),
    ("status-changed", Plane::ResponseHead, "/status"),
    ("header-missing", Plane::ResponseHead, "/headers/strict-transport-security"),
    ("header-changed", Plane::ResponseHead, "/headers/cache-control"),
    ("error-status", Plane::Admission, "/status"),
    ("error-body", Plane::Admission, "/body/message"),
    ("cost-wrong", Plane::Effects, "/usage:cost:*/value"),
    ("usage-skipped", Plane::Effects, "/usage:*"),
    ("increment-missing", Plane::Effects, "/usage:global:total/**"),
    ("increment-double", Plane::Effects, "/usage:daily:*/**"),
    ("model-wrong", Plane::Effects, "/usage:model:daily:{model}:{date}"),
    ("index-missing", Plane::Effects, "/usage:keymodel:daily:index:*/**"),
    ("empty-marker", Plane::Effects, "/usage:daily:index:*:empty/**"),
    ("ttl-missing", Plane::Effects, "/usage:hourly:*/ttl"),
    ("ttl-off", Plane::Effects, "/usage:daily:*/ttl"),
    ("key-extra", Plane::Effects, "/usage:standin:*/**"),
    ("slot-stale", Plane::Effects, "/concurrency:*/**"),
    ("last-used-missing", Plane::Effects, "/apikey:{id}/fields/**"),
    ("window-wrong", Plane::Effects, "/claude:account:*/fields/sessionWindowEnd"),
    ("event-missing", Plane::Effects, "/billing:events/**"),
    ("record-altered", Plane::Effects, "/usage:records:*/**"),
];

/// What a fault changes besides its own plane: another account has other records, the answer's
/// head follows a refusal's status and length.
fn also(fault: &str) -> Option<Plane> {
    match fault {
        "other-account" => Some(Plane::Effects),
        "error-status" | "error-body" => Some(Plane::ResponseHead),
        _ => None,
    }
}

fn request(fault: &str, n: usize) -> Value {
    let session = format!("00000000-0000-4000-8000-{n:012}");
    let user = format!("user_{}_account__session_{session}", "a".repeat(64));
    let mut request = json!({
        "headers": { "x-standin-fault": fault },
        "body": { "metadata": { "user_id": user } },
        "stream": fault.starts_with("event") || fault.starts_with("delta"),
    });
    if fault.starts_with("error-") {
        request["key"] = json!("unknown");
    }
    request
}

fn is_of(case: &Capture, fault: &str) -> bool {
    case.request.headers.iter().any(|(name, value)| name == "x-standin-fault" && value == fault)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_is_found_where_it_is() {
    let stage = Stage::start(usual_seed()).await;
    let account = format!("claude:account:{}", stage.place.run().account_id("a"));
    for (n, (fault, ..)) in FAULTS.iter().enumerate() {
        if *fault == "window-wrong" {
            // The next request opens a window.
            stage.place.ask(["HDEL", &account, "sessionWindowStart", "sessionWindowEnd"]).await;
        }
        let answer = stage.send(request(fault, n)).await;
        assert_eq!(answer.ended, "complete", "{fault}");
    }
    let sent = FAULTS.len() as u64;
    let tally = stage.compared(sent).await;
    assert_eq!((tally.sources[&Source::Tap], tally.agreeing), (sent, 0));
    let cases = stage.cases();
    for (fault, plane, path) in FAULTS {
        let case = cases.values().find(|case| is_of(case, fault));
        let case = case.unwrap_or_else(|| panic!("{fault} was not found"));
        let counts = |group: &&GroupCount| {
            group.rule.is_none() && group.weight != Weight::Note && group.plane != Plane::Timing
        };
        let groups: Vec<&GroupCount> = case.verdict.groups.iter().filter(counts).collect();
        let found = groups.iter().find(|g| g.plane == plane && matches(path, &g.group));
        let found = found.unwrap_or_else(|| panic!("{fault} is not at {path}: {groups:#?}"));
        let elsewhere = groups.iter().find(|g| g.plane != plane && Some(g.plane) != also(fault));
        assert!(elsewhere.is_none(), "{fault}: {elsewhere:?}");
        // The tally of all instances, which reports are made of, has it too.
        let key = GroupKey {
            plane,
            group: found.group.clone(),
            kind: found.kind,
            route: "/api/v1/messages".to_owned(),
        };
        assert!(tally.groups.contains_key(&key), "{key:?}");
    }
}
