//! One scenario against one service: seed, play, look, normalise.

use std::{
    io::Read,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::future::join_all;
use serde_json::{Map, Value, json};
use sha1::Digest as _;

use super::{
    aws,
    client::{self, Answer},
    http::Head,
    instructions,
    normal::{Normal, Rules},
    openai::{AZURE_SALT, OPENAI_SALT, OPENAI_SECRETS, RESPONSES_SALT},
    operate::{self, Kept},
    redis::{Command, Reply, command},
    scenario::{Scenario, Send, Source, Step},
    seed::{self, CCR_SALT, CLAUDE_SALT, CONSOLE_SALT},
    snapshot,
    standin::Received,
    template::{Calendar, Run},
    webhook,
    world::World,
};

/// Runs a scenario and returns its normalised observation.
pub async fn run(world: &mut World, source: &Source, rules: &Rules) -> Result<Value> {
    let calendar = Calendar::of(source.scenario.env.get("TIMEZONE_OFFSET").map(String::as_str));
    let real_ms = now_ms();
    let start_ms = match &source.scenario.clock {
        Some(text) => text.parse::<jiff::Timestamp>().context("clock")?.as_millisecond(),
        None => real_ms,
    };
    let vault = std::mem::replace(&mut world.vault, super::crypto::Vault::new(""));
    let run = Run { scenario: &source.name, vault: &vault, calendar, now_ms: start_ms };
    let outcome = play(world, &run, source, rules, start_ms - real_ms).await;
    world.vault = vault;
    outcome
}

async fn play(
    world: &mut World,
    run: &Run<'_>,
    source: &Source,
    rules: &Rules,
    shift_ms: i64,
) -> Result<Value> {
    let scenario: Scenario = serde_json::from_value(run.expand(&source.value)?)?;
    world.baseline.put(&mut world.redis).await?;
    let commands = seed::commands(run, &scenario, world.outside.proxies)?;
    obey(world, commands).await?;
    world.outside.proxy_log.clear();
    world.outside.standin.begin(scenario.upstream.as_deref());
    if let Some(commands) = webhook::begin(&world.outside, &scenario) {
        obey(world, vec![commands]).await?;
    }
    let before = snapshot::take(&mut world.redis).await?;

    let single = scenario.send.clone().map(|send| Step { send: Some(send), ..Step::default() });
    let mut steps = Vec::new();
    let mut concurrent = false;
    let mut kept = Kept::default();
    for step in single.iter().chain(&scenario.steps) {
        concurrent |= step.parallel.is_some();
        if let Some(operation) = &step.operate {
            steps.push(operate::run(world, run, operation, &mut kept).await?);
        }
        if let Some(job) = &step.job {
            world.run_job(job, shift_ms).await?;
        }
        if let Some(shown) = take_step(world, run, step).await? {
            steps.push(shown);
        }
    }
    tokio::time::sleep(Duration::from_millis(120 + scenario.settle_ms)).await;
    let after = snapshot::take_settled(&mut world.redis).await?;
    let end_ms = now_ms() + shift_ms;

    let mut names = names(world, run, &scenario);
    names.extend(kept.names(run));
    let rules = rules.of(&source.name);
    let normal = Normal::new(&rules, run.calendar, (run.now_ms, end_ms), names);
    let render = |key: &str, field: &str, bytes: &[u8]| render(run, key, field, bytes);
    let change = snapshot::change(&before, &after, &render);
    let mut received = world.outside.standin.received();
    if concurrent {
        received.sort_by(|a, b| a.body.cmp(&b.body));
    }
    let mut observation = json!({
        "steps": steps,
        "upstream": received.iter().map(upstream).collect::<Vec<_>>(),
        "redis": change,
    });
    if scenario.webhook.is_some() {
        observation["webhook"] = webhook::observed(&world.outside.receiver);
    }
    let asked = world.outside.proxy_log.asked();
    if !asked.is_empty() {
        observation["proxy"] = Value::Array(asked);
    }
    let unused = world.outside.standin.unused();
    if unused > 0 {
        observation["unused_replies"] = json!(unused);
    }
    if !world.alive() {
        // Why is seen nowhere else, for the next scenario gets a new service.
        eprintln!("note: the service ended during {}:\n{}", source.name, world.log_tail());
        observation["service"] = json!("ended");
    }
    let mut shown = Map::new();
    for (plane, value) in observation.as_object().into_iter().flatten() {
        shown.insert(plane.clone(), normal.value(plane, value));
    }
    Ok(Value::Object(shown))
}

async fn obey(world: &mut World, commands: Vec<Command>) -> Result<()> {
    for reply in world.redis.pipeline(commands).await? {
        if let Reply::Error(error) = reply {
            bail!("seed: {error}");
        }
    }
    Ok(())
}

async fn take_step(world: &mut World, run: &Run<'_>, step: &Step) -> Result<Option<Value>> {
    if let Some(pause) = step.wait_ms {
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    if let Some(commands) = &step.redis {
        obey(world, commands.iter().map(command).collect()).await?;
    }
    if let Some(looks) = &step.look {
        let commands = looks.iter().map(command).collect();
        let replies = world.redis.pipeline(commands).await?;
        return Ok(Some(json!({ "look": replies.into_iter().map(plain).collect::<Vec<_>>() })));
    }
    if let Some(send) = &step.send {
        return Ok(Some(
            json!({ "response": exchange(run, send, world.port_of(send.instance)).await }),
        ));
    }
    if let Some(sends) = &step.parallel {
        let answers =
            join_all(sends.iter().map(|send| exchange(run, send, world.port_of(send.instance))))
                .await;
        return Ok(Some(json!({ "responses": answers })));
    }
    Ok(None)
}

async fn exchange(run: &Run<'_>, send: &Send, port: u16) -> Value {
    let outcome = async {
        let prepared = client::prepare(run, send, port)?;
        client::exchange(&prepared, send, port).await
    };
    match outcome.await {
        Ok(answer) => response(&answer),
        Err(error) => json!({ "failed": format!("{error:#}") }),
    }
}

/// Client response as data: status, headers as a set, body by what it is.
fn response(answer: &Answer) -> Value {
    let mut headers = header_set(&answer.head);
    let body = decoded(&answer.head, &answer.body);
    check(&mut headers, "content-length", answer.body.len().to_string(), "<length>");
    check(&mut headers, "etag", etag(&body), "<etag of body>");
    let mut shown = json!({
        "status": answer.status,
        "headers": headers,
        "body": body_value(&answer.head, &body),
    });
    if answer.ended != "complete" {
        shown["ended"] = json!(answer.ended);
    }
    shown
}

/// Replaces a header that says what can be computed from the body, if it says the truth.
fn check(headers: &mut Map<String, Value>, name: &str, expected: String, with: &str) {
    if let Some(value) = headers.get_mut(name)
        && value.as_str() == Some(expected.as_str())
    {
        *value = json!(with);
    }
}

/// The weak entity tag that the legacy framework computes.
fn etag(body: &[u8]) -> String {
    let digest = STANDARD.encode(sha1::Sha1::digest(body));
    format!("W/\"{:x}-{}\"", body.len(), &digest[..27])
}

fn decoded(head: &Head, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let done = match head.get("content-encoding") {
        Some("gzip") => flate2::read::GzDecoder::new(body).read_to_end(&mut out).is_ok(),
        Some("deflate") => flate2::read::ZlibDecoder::new(body).read_to_end(&mut out).is_ok(),
        _ => false,
    };
    if done { out } else { body.to_vec() }
}

fn header_set(head: &Head) -> Map<String, Value> {
    let mut set: Map<String, Value> = Map::new();
    let mut headers = head.headers.clone();
    headers.sort_by_key(|(name, _)| name.to_ascii_lowercase());
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        match set.get_mut(&name) {
            Some(Value::Array(values)) => values.push(json!(value)),
            Some(one) => *one = json!([one.clone(), value]),
            None => {
                set.insert(name, json!(value));
            }
        }
    }
    set
}

fn body_value(head: &Head, body: &[u8]) -> Value {
    let Ok(text) = std::str::from_utf8(body) else {
        return json!({ "base64": STANDARD.encode(body) });
    };
    let is_sse = ["event:", "data:", ":"].iter().any(|start| text.starts_with(start));
    if is_sse {
        return json!({ "sse": events(text) });
    }
    if let Ok(value) = serde_json::from_str::<Value>(text)
        && (value.is_object() || value.is_array())
    {
        return json!({ "json": value });
    }
    let hidden = instructions::hidden(text);
    let text = hidden.as_deref().unwrap_or(text);
    if text.len() > 4_000 {
        let digest = hex::encode(sha1::Sha1::digest(text));
        return json!({ "length": text.len(), "sha1": digest, "type": head.get("content-type") });
    }
    json!({ "text": text })
}

/// SSE text as events; anything out of the ordinary is kept as lines.
fn events(text: &str) -> Vec<Value> {
    let mut out = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (block, open) = match rest.find("\n\n") {
            Some(end) => {
                let block = &rest[..end];
                rest = &rest[end + 2..];
                (block, false)
            }
            None => (std::mem::take(&mut rest), true),
        };
        let mut event = Map::new();
        for line in block.split('\n') {
            let known = ["event", "data", "id", "retry"].into_iter().find_map(|name| {
                let value = line.strip_prefix(name)?.strip_prefix(": ")?;
                (!event.contains_key(name)).then_some((name, value))
            });
            match known {
                Some((name, value)) => {
                    let value = serde_json::from_str::<Value>(value)
                        .ok()
                        .filter(|value| value.is_object())
                        .unwrap_or_else(|| json!(value));
                    event.insert(name.to_owned(), value);
                }
                None => {
                    event.clear();
                    let lines: Vec<&str> = block.split('\n').collect();
                    event.insert("lines".to_owned(), json!(lines));
                    break;
                }
            }
        }
        if open {
            event.insert("open".to_owned(), json!(true));
        }
        out.push(Value::Object(event));
    }
    out
}

/// Upstream request as data; the spelling and order of its headers are a plane of their own.
pub fn upstream(received: &Received) -> Value {
    let head = &received.head;
    let mut headers = header_set(head);
    check(&mut headers, "content-length", received.body.len().to_string(), "<length>");
    let mut words = head.first_line.split(' ');
    let method = words.next().unwrap_or_default();
    let target = words.next().unwrap_or_default();
    let mut spelling: Vec<&str> = head.headers.iter().map(|(name, _)| name.as_str()).collect();
    if aws::is_aws(head) {
        // HTTP/2 of one side has no spelling, and a signature can only be checked here.
        spelling.clear();
        headers.insert("authorization".to_owned(), json!(aws::authorization(head, &received.body)));
        if let Some(date) = headers.get_mut("x-amz-date") {
            *date = json!(aws::moment(date.as_str().unwrap_or_default(), now_ms()));
        }
        let digest = hex::encode(sha2::Sha256::digest(&received.body));
        check(&mut headers, "x-amz-content-sha256", digest, "<digest>");
    }
    let mut shown = json!({
        "method": method,
        "target": target,
        "headers": headers,
        "spelling": spelling,
        "body": body_value(head, &received.body),
        "ended": received.ended,
    });
    if let Some(via) = received.via {
        shown["via"] = json!(via);
    }
    if !received.scripted {
        shown["unscripted"] = json!(true);
    }
    shown
}

fn plain(reply: Reply) -> Value {
    match reply {
        Reply::Nil => Value::Null,
        Reply::Int(number) => json!(number),
        Reply::Bytes(bytes) => json!(String::from_utf8_lossy(&bytes)),
        Reply::Status(text) => json!(text),
        Reply::Error(text) => json!({ "error": text }),
        Reply::List(items) => Value::Array(items.into_iter().map(plain).collect()),
    }
}

/// Secrets are shown opened, JSON texts parsed.
fn render(run: &Run<'_>, key: &str, field: &str, bytes: &[u8]) -> Value {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return json!({ "base64": STANDARD.encode(bytes) });
    };
    let salt = match (key.split(':').next().unwrap_or_default(), field) {
        ("claude", "email" | "password" | "accessToken" | "refreshToken" | "claudeAiOauth") => {
            Some(CLAUDE_SALT)
        }
        ("claude_console_account", "apiKey") => Some(CONSOLE_SALT),
        ("ccr_account", "apiKey") => Some(CCR_SALT),
        ("openai", field) if OPENAI_SECRETS.contains(&field) => Some(OPENAI_SALT),
        ("openai_responses_account", "apiKey") => Some(RESPONSES_SALT),
        ("azure_openai", "apiKey") => Some(AZURE_SALT),
        _ => None,
    };
    if let Some(plain) = salt.and_then(|salt| run.vault.decrypt(salt, text)) {
        return json!({ "sealed": plain });
    }
    if text.starts_with(['{', '['])
        && let Ok(mut value) = serde_json::from_str::<Value>(text)
    {
        for member in value.as_object_mut().into_iter().flat_map(|own| own.iter_mut()) {
            if let Some(plain) = run.vault.open_bedrock(member.1) {
                *member.1 = json!({ "sealed": plain });
            }
        }
        return json!({ "json": value });
    }
    json!(text)
}

fn names(world: &World, run: &Run<'_>, scenario: &Scenario) -> Vec<(String, String)> {
    let mut names = Vec::new();
    let default_keys = || vec!["main".to_owned()];
    let default_accounts = || vec!["a".to_owned()];
    let aliases = |map: &Option<Map<String, Value>>| {
        map.as_ref().map(|map| map.keys().cloned().collect::<Vec<_>>())
    };
    for alias in aliases(&scenario.keys).unwrap_or_else(default_keys) {
        let plain = run.plain_key(&alias);
        names.push((run.vault.key_hash(&plain), format!("<keyhash:{alias}>")));
        names.push((plain, format!("<key:{alias}>")));
        names.push((run.key_id(&alias), format!("<keyid:{alias}>")));
    }
    for alias in aliases(&scenario.accounts).unwrap_or_else(default_accounts) {
        names.push((run.account_id(&alias), format!("<acc:{alias}>")));
    }
    for alias in scenario.groups.keys() {
        names.push((run.group_id(alias), format!("<group:{alias}>")));
    }
    let outside = &world.outside;
    for (port, name) in [
        (outside.standin_port, "<stand-in>"),
        (world.port, "<service>"),
        (outside.proxies.http, "<http proxy>"),
        (outside.proxies.socks5, "<socks5 proxy>"),
        (outside.receiver_port, "<receiver>"),
    ] {
        names.push((format!("127.0.0.1:{port}"), name.to_owned()));
    }
    names
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or_default()
}

/// Fails early when a scenario cannot be read with its `${…}` expanded.
pub fn validate(source: &Source) -> Result<()> {
    let vault = super::crypto::Vault::new("x");
    let calendar = Calendar::of(None);
    let run = Run { scenario: &source.name, vault: &vault, calendar, now_ms: now_ms() };
    let value = run.expand(&source.value).with_context(|| source.name.clone())?;
    serde_json::from_value::<Scenario>(value).with_context(|| source.name.clone())?;
    Ok(())
}
