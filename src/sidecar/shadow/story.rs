//! Both sides of one request in the words of the comparison.

use bytes::Bytes;
use serde_json::Value;
use shadow::{
    Admission, Body, Gap, Observation, Plane, RequestFacts, Response, Source, Timing,
    UpstreamAnswer, UpstreamExchange,
    capture::Capture,
    observation::{DIRECT, limits},
};

use super::{
    case::Run,
    choice,
    second_run::Seals,
    seen::{Seen, SeenRequest, SeenResponse},
};
use crate::{
    domain::{ProxyConfig, ProxyKind},
    sidecar::tap::{Exchange, NodeTrace},
    upstream::replay::Recorded,
};

/// What Node did: the exchange that passed, and what its tap told.
pub fn control(
    seen: &Seen,
    facts: &RequestFacts,
    trace: Option<&NodeTrace>,
    effects: Option<Value>,
) -> Observation {
    let upstream: Option<Vec<UpstreamExchange>> =
        trace.map(|trace| trace.exchanges.iter().take(limits::EXCHANGES).map(exchange).collect());
    let echoes = !is_translated(seen.request.path());
    // Without a trace nobody knows what the vendor said to make Node answer in another dialect.
    let response = seen.response.as_ref().filter(|_| trace.is_some() || echoes);
    let mut observation = side(response, facts, upstream, effects);
    observation.source = match trace {
        Some(_) => Source::Tap,
        None if response.is_some() => Source::Echo,
        None => Source::Dry,
    };
    if let Some(why) = trace.and_then(|trace| trace.incomplete.as_ref()) {
        // What is replayed may lack as much, so that nothing can be told of the answer either.
        observation.gaps.extend(everywhere(why));
    }
    let called = observation.upstream.as_ref().is_some_and(|exchanges| !exchanges.is_empty());
    if called && observation.account.is_none() {
        let why = "nothing that was written names the account".to_owned();
        observation.gaps.push(Gap { plane: Some(Plane::Account), why });
    }
    if trace.is_some_and(choice::token_moved) {
        let why = "another request changed the account's token meanwhile".to_owned();
        observation.gaps.push(Gap { plane: Some(Plane::UpstreamRequest), why });
    }
    if trace.is_some_and(hour_turned) {
        let why = "the hour changed while Node wrote".to_owned();
        observation.gaps.push(Gap { plane: Some(Plane::Effects), why });
    }
    if seen.client_left {
        for plane in [Plane::ResponseBody, Plane::Effects] {
            let why = "the client left in the middle".to_owned();
            observation.gaps.push(Gap { plane: Some(plane), why });
        }
    }
    observation
}

/// What the candidate did.
pub fn candidate(run: &Run, facts: &RequestFacts, source: Source) -> Observation {
    let upstream = run.sent.iter().take(limits::EXCHANGES).map(|sent| {
        let request = &sent.request;
        UpstreamExchange {
            method: request.method.to_string(),
            url: request.url.clone(),
            headers: request.headers.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
            body: Body::kept(request.body.clone()),
            proxy: Some(proxy_shown(sent.proxy.as_ref())),
            answer: None,
        }
    });
    let effects = Some(run.changes.to_json());
    let mut observation = side(run.response.as_ref(), facts, Some(upstream.collect()), effects);
    if let (Some(account), Some(explained)) = (&mut observation.account, &run.explained) {
        let steps = explained.steps.iter().take(limits::REASONS);
        account.reasons = steps.map(|step| format!("{}: {}", step.phase, step.text)).collect();
    }
    observation.source = source;
    observation.gaps = run.gaps.iter().map(|why| Gap { plane: None, why: why.clone() }).collect();
    if run.response.is_none() {
        observation.admission = Admission::Unknown;
    }
    if let Some(why) = &run.unread {
        observation.gaps.extend(everywhere(why));
    }
    observation
}

/// A gap in every plane that counts.
fn everywhere(why: &str) -> impl Iterator<Item = Gap> {
    let all = Plane::ALL.into_iter().filter(|plane| *plane != Plane::Timing);
    all.map(move |plane| Gap { plane: Some(plane), why: why.to_owned() })
}

/// Vendors' answers as they are replayed: Node's exchanges, or its answer to the client in their place.
pub fn recordings(seen: &Seen, trace: Option<&NodeTrace>) -> Vec<Recorded> {
    match (trace, &seen.response) {
        (Some(trace), _) => trace.exchanges.iter().map(recorded).collect(),
        (None, Some(response)) if !is_translated(seen.request.path()) => vec![Recorded {
            status: Some(response.status),
            headers: response
                .headers
                .iter()
                .filter(|(name, _)| is_vendors(name))
                .cloned()
                .collect(),
            body: vec![unwrapped(response)],
            ..Recorded::default()
        }],
        (None, _) => Vec::new(),
    }
}

/// What the vendor said, in Node's answer. A limit of a ChatGPT account is handed on inside one event where
/// a stream was asked for; the vendor's own answer is what is in it.
fn unwrapped(response: &SeenResponse) -> Bytes {
    let body = &response.body;
    let inside = || {
        let data = body.strip_prefix(b"data: ")?.strip_suffix(b"\n\n")?;
        (memchr::memchr(b'\n', data).is_none()).then(|| body.slice_ref(data))
    };
    let wrapped = response.status == 429 && streams(Some(response), false);
    wrapped.then(inside).flatten().unwrap_or_else(|| body.clone())
}

/// Whether answers on this path are in another dialect than the vendor's, so that they cannot stand for
/// what the vendor said.
fn is_translated(path: &str) -> bool {
    let path = path.trim_end_matches('/').to_ascii_lowercase();
    path.ends_with("/completions") || path.ends_with("/images/generations")
}

/// A captured request, to be made again.
pub fn request_again(case: &Capture) -> SeenRequest {
    SeenRequest {
        arrived_ms: case.control.request.arrived_ms,
        peer: "127.0.0.1".to_owned(),
        method: case.request.method.clone(),
        target: case.request.path.clone(),
        headers: case.request.headers.clone(),
        body: case.request.body.bytes().clone(),
    }
}

/// Vendors' answers of a captured case.
pub fn recordings_again(case: &Capture) -> Vec<Recorded> {
    let exchanges = case.control.upstream.iter().flatten();
    let again = |exchange: &UpstreamExchange| {
        let answer = exchange.answer.clone().unwrap_or_default();
        let answered = answer.status > 0;
        Recorded {
            method: exchange.method.clone(),
            url: exchange.url.clone(),
            status: answered.then_some(answer.status),
            headers: answer.headers,
            body: vec![answer.body.bytes().clone()],
            failure: answer.failure.map(|(code, message)| (Some(code), message)),
            times: (0, 0),
        }
    };
    exchanges.map(again).collect()
}

/// Gives a run of today what only the day and the stand-ins of prompts make different: the answer's date, and
/// the name of the session that it begins.
pub fn as_then(then: &Observation, now: &mut Observation, prompts_replaced: bool) {
    const SESSION: &str = "unified_claude_session_mapping:";
    let is_date = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("date");
    let date = then.response.as_ref().and_then(|answer| answer.headers.iter().find(is_date));
    let own = now.response.iter_mut().flat_map(|answer| &mut answer.headers);
    for (name, value) in own {
        if let Some((_, date)) = date.filter(|_| name.eq_ignore_ascii_case("date")) {
            value.clone_from(date);
        }
    }
    let (Some(Value::Object(a)), Some(Value::Object(b))) = (&then.effects, &mut now.effects) else {
        return;
    };
    let begun = |effects: &serde_json::Map<String, Value>| {
        let mut keys = effects.keys().filter(|key| key.starts_with(SESSION));
        keys.next().filter(|_| keys.next().is_none()).cloned()
    };
    if prompts_replaced
        && let (Some(theirs), Some(own)) = (begun(a), begun(b))
        && let Some(change) = b.remove(&own)
    {
        b.insert(theirs, change);
    }
}

/// A side with all stand-ins of secrets alike.
pub fn alike(side: &Observation) -> Result<Observation, String> {
    const MARK: &str = "[secret ";
    let text = serde_json::to_string(side).map_err(|error| error.to_string())?;
    let mut parts = text.split(MARK);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("[secret");
        let end = part.find(']').filter(|end| part[..*end].bytes().all(|b| b.is_ascii_hexdigit()));
        out.push_str(&part[end.unwrap_or(0)..]);
    }
    serde_json::from_str(&out).map_err(|error| error.to_string())
}

/// What is asked, as far as it tells which requests are alike.
pub fn facts(id: &str, request: &SeenRequest) -> RequestFacts {
    let body: Option<Value> = serde_json::from_slice(&request.body).ok();
    let field = |name: &str| body.as_ref().and_then(|body| body.get(name));
    RequestFacts {
        id: id.to_owned(),
        arrived_ms: request.arrived_ms,
        method: request.method.clone(),
        path: request.target.clone(),
        route: request.route(),
        key_id: None,
        model: field("model").and_then(Value::as_str).map(str::to_owned),
        stream: field("stream").and_then(Value::as_bool).unwrap_or(false),
        session: field("metadata").is_some_and(|metadata| metadata["user_id"].is_string())
            || request.header("session_id").is_some()
            || field("prompt_cache_key").is_some_and(Value::is_string),
        client: request.header("user-agent").map(client),
    }
}

/// Whether the exchange is a stream. Node's answer tells, not the request alone: some routes stream unless
/// they are told not to, others never do. Of a refusal that is no stream the request tells what was wanted.
pub fn streams(answer: Option<&SeenResponse>, asked: bool) -> bool {
    let Some(answer) = answer else { return asked };
    let kind = answer.header("content-type").unwrap_or_default();
    let events = kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream");
    events || (asked && !(200..300).contains(&answer.status))
}

fn side(
    response: Option<&SeenResponse>,
    facts: &RequestFacts,
    upstream: Option<Vec<UpstreamExchange>>,
    effects: Option<Value>,
) -> Observation {
    let account = effects.as_ref().and_then(choice::of_effects);
    let answered = response.map(|response| Response {
        status: response.status,
        headers: response.headers.iter().take(limits::HEADERS).cloned().collect(),
        body: Body::kept(response.body.clone()),
        complete: response.complete,
    });
    let admission = match (response, &upstream) {
        (Some(response), Some(upstream)) if upstream.is_empty() && response.status >= 400 => {
            let body = Body::kept(response.body.clone());
            Admission::Rejected { status: response.status, body }
        }
        (_, Some(_)) => Admission::Admitted,
        (_, None) => Admission::Unknown,
    };
    Observation {
        request: facts.clone(),
        admission,
        account,
        upstream,
        response: answered,
        effects,
        timing: response.map_or_else(Timing::default, |response| Timing {
            ttfb_us: Some(response.ttfb_us),
            total_us: Some(response.total_us),
        }),
        ..Observation::default()
    }
}

/// Encrypted texts in a net change, by the fingerprint of what they hold.
pub fn opened(mut effects: Value, seals: &dyn Seals) -> Value {
    for (key, change) in effects.as_object_mut().into_iter().flatten() {
        let fields = change.get_mut("fields").and_then(Value::as_object_mut);
        for (_, field) in fields.into_iter().flatten() {
            if let Some(now) = field.get_mut("=")
                && let Some(print) = now.as_str().and_then(|text| seals.fingerprint(key, text))
            {
                *now = print.into();
            }
        }
    }
    effects
}

/// Whether Node may have booked the request in a later hour than the second run, whose clock stands at the
/// end of the vendor's answer.
#[expect(clippy::cast_possible_truncation, reason = "epoch milliseconds")]
fn hour_turned(trace: &NodeTrace) -> bool {
    const HOUR_MS: i64 = 3_600_000;
    let ended = trace.exchanges.iter().map(|exchange| exchange.ended_ms).max();
    let wrote = trace.commands.iter().map(|command| command.ms as i64).max();
    ended.filter(|ended| *ended > 0).zip(wrote).is_some_and(|(ended, wrote)| {
        wrote > ended && wrote.div_euclid(HOUR_MS) != ended.div_euclid(HOUR_MS)
    })
}

fn exchange(exchange: &Exchange) -> UpstreamExchange {
    UpstreamExchange {
        method: exchange.request.method.clone(),
        url: exchange.request.url.clone(),
        headers: exchange.request.headers.clone(),
        body: Body::kept(exchange.request_bytes()),
        proxy: Some(exchange.request.proxy.clone().unwrap_or_else(|| DIRECT.to_owned())),
        answer: Some(UpstreamAnswer {
            status: exchange.response.as_ref().map_or(0, |head| head.status),
            headers: exchange
                .response
                .as_ref()
                .map(|head| head.headers.clone())
                .unwrap_or_default(),
            body: Body::kept(exchange.response_bytes()),
            failure: failure(exchange).map(|(code, message)| (code.unwrap_or_default(), message)),
        }),
    }
}

fn recorded(exchange: &Exchange) -> Recorded {
    let head = exchange.response.as_ref();
    Recorded {
        method: exchange.request.method.clone(),
        url: exchange.request.url.clone(),
        status: head.map(|head| head.status),
        headers: head.map(|head| head.headers.clone()).unwrap_or_default(),
        body: exchange.response_body.clone(),
        failure: failure(exchange),
        times: (exchange.answered_ms, exchange.ended_ms),
    }
}

/// A proxy as Node's tap names it.
fn proxy_shown(proxy: Option<&ProxyConfig>) -> String {
    let Some(proxy) = proxy else { return DIRECT.to_owned() };
    let scheme = match proxy.kind {
        ProxyKind::Http => "http",
        ProxyKind::Https => "https",
        ProxyKind::Socks5 => "socks5",
    };
    format!("{scheme}://{}:{}", proxy.host, proxy.port)
}

fn failure(exchange: &Exchange) -> Option<(Option<String>, String)> {
    let end = exchange.end.as_ref().filter(|end| !end.ok)?;
    Some((end.code.clone(), end.message.clone().unwrap_or_default()))
}

/// Headers that a vendor could have sent; the others are the relay's own.
fn is_vendors(name: &str) -> bool {
    const OWN: [&str; 9] = [
        "content-encoding",
        "connection",
        "keep-alive",
        "transfer-encoding",
        "content-length",
        "date",
        "etag",
        "x-request-id",
        "x-powered-by",
    ];
    !OWN.iter().any(|own| name.eq_ignore_ascii_case(own))
}

fn client(agent: &str) -> String {
    let name = agent.split(['/', ' ']).next().unwrap_or_default();
    name.chars().take(40).collect()
}

/// Joins what was seen in pieces.
pub fn joined(pieces: &[Bytes]) -> Bytes {
    match pieces {
        [one] => one.clone(),
        pieces => pieces.concat().into(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::sidecar::tap::Command;

    #[rstest]
    #[case::not_asked_for(200, "text/event-stream", false, true)]
    #[case::spelled_otherwise(200, " Text/Event-Stream; charset=utf-8", true, true)]
    #[case::never_done(200, "application/json", true, false)]
    #[case::refused(400, "application/json", true, true)]
    #[case::refused_as_a_stream(429, "text/event-stream", false, true)]
    #[case::refused_plainly(429, "application/json", false, false)]
    fn the_answer_tells_whether_it_is_a_stream(
        #[case] status: u16,
        #[case] kind: &str,
        #[case] asked: bool,
        #[case] streams: bool,
    ) {
        let headers = vec![("Content-Type".to_owned(), kind.to_owned())];
        let answer = SeenResponse { status, headers, ..SeenResponse::default() };
        assert_eq!(super::streams(Some(&answer), asked), streams);
        assert_eq!(super::streams(None, asked), asked);
    }

    #[test]
    fn a_run_of_another_day_has_the_date_and_session_of_the_case() {
        let side = |date: &str, session: &str| {
            let headers = vec![("Date".to_owned(), date.to_owned())];
            let key = format!("unified_claude_session_mapping:{session}");
            Observation {
                response: Some(Response { headers, ..Response::default() }),
                effects: Some(serde_json::json!({ key: { "type": "string" }, "other": {} })),
                ..Observation::default()
            }
        };
        let then = side("Thu, 26 Nov 2026 03:00:00 GMT", "a");
        let mut now = side("Fri, 27 Nov 2026 03:00:00 GMT", "b");
        as_then(&then, &mut now, true);
        assert_eq!(now, then);
        let mut now = side("Thu, 26 Nov 2026 03:00:00 GMT", "b");
        as_then(&then, &mut now, false);
        assert_ne!(now, then, "with the prompts as they were another session is a difference");
    }

    #[test]
    fn a_run_that_could_not_read_proves_nothing() {
        let facts = RequestFacts::default();
        let run = Run { unread: Some("no Redis".to_owned()), ..Run::default() };
        let side = candidate(&run, &facts, Source::Tap);
        assert_eq!(side.admission, Admission::Unknown, "it gave no answer");
        let planes = Plane::ALL.into_iter().filter(|plane| *plane != Plane::Timing);
        assert!(planes.clone().all(|plane| side.gap(plane) == Some("no Redis")));
        let trace = NodeTrace { incomplete: Some("overflow".to_owned()), ..NodeTrace::default() };
        let part = control(&Seen::default(), &facts, Some(&trace), None);
        assert!(planes.clone().all(|plane| part.gap(plane).is_some()));
        let lost = candidate(&Run::default(), &facts, Source::Tap);
        assert!(planes.clone().all(|plane| lost.gap(plane).is_none()));
    }

    #[test]
    fn both_name_proxies_alike() {
        let proxy =
            |kind, port| ProxyConfig { kind, host: "p.test".into(), port, credentials: None };
        assert_eq!(proxy_shown(None), "direct");
        assert_eq!(proxy_shown(Some(&proxy(ProxyKind::Http, 3128))), "http://p.test:3128");
        assert_eq!(proxy_shown(Some(&proxy(ProxyKind::Socks5, 1080))), "socks5://p.test:1080");
    }

    #[test]
    fn an_hour_that_turns_between_the_answer_and_its_booking_is_noticed() {
        let turned = |ended_ms, ms| {
            let exchanges = vec![Exchange { ended_ms, ..Exchange::default() }];
            let commands = vec![Command { ms, words: Vec::new(), reply: None }];
            hour_turned(&NodeTrace { commands, exchanges, ..NodeTrace::default() })
        };
        assert!(turned(7_199_990, 7_200_010.5));
        assert!(!turned(7_200_000, 7_200_010.5));
        assert!(!turned(7_199_000, 7_199_900.0));
        assert!(!turned(7_200_010, 7_199_900.0), "the last command came before the end");
        assert!(!turned(0, 7_200_010.5), "no end is known");
    }
}
