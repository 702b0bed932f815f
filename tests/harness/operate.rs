//! An administrator's operation: requests to the admin API of the legacy service, one command of `crs`.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use super::{
    client,
    redis::command,
    scenario::{Operate, Request, Send},
    template::Run,
    world::World,
};

/// Session that the legacy service finds its administrator under. Both services know the name.
const TOKEN: &str = "conformconformconformconformconformconformconformconformconform1";
const ADMINISTRATOR: &str = "cr_admin_conform";

/// What answers have given so far, by the names that scenarios gave it.
#[derive(Default)]
pub struct Kept(BTreeMap<String, Value>);

impl Kept {
    /// Notes what stands at a path (`data/id`) of an answer.
    fn keep(&mut self, wanted: &BTreeMap<String, String>, answer: &Value) -> Result<()> {
        for (name, path) in wanted {
            let found = answer.pointer(&format!("/{path}"));
            let found = found.with_context(|| format!("no {path} in {answer}"))?;
            self.0.insert(name.clone(), found.clone());
        }
        Ok(())
    }

    /// Puts `${got:name}` in: a text that is nothing else becomes the value itself.
    fn fill(&self, value: &Value) -> Result<Value> {
        Ok(match value {
            Value::String(text) => {
                let whole = text.strip_prefix("${got:").and_then(|rest| rest.strip_suffix('}'));
                match whole.and_then(|name| self.0.get(name)) {
                    Some(found) => found.clone(),
                    None => Value::String(self.fill_text(text)?),
                }
            }
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.fill(item)).collect::<Result<_>>()?)
            }
            Value::Object(members) => {
                let filled = members
                    .iter()
                    .map(|(name, item)| Ok((self.fill_text(name)?, self.fill(item)?)));
                Value::Object(filled.collect::<Result<Map<_, _>>>()?)
            }
            other => other.clone(),
        })
    }

    fn fill_text(&self, text: &str) -> Result<String> {
        let mut out = text.to_owned();
        for (name, value) in &self.0 {
            let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            out = out.replace(&format!("${{got:{name}}}"), &shown);
        }
        if out.contains("${got:") {
            bail!("nothing was kept under a name in {out}");
        }
        Ok(out)
    }

    /// Placeholders of texts that were kept, and of the lookup hashes of API keys among them.
    pub fn names(&self, run: &Run<'_>) -> Vec<(String, String)> {
        let mut names = Vec::new();
        for (name, value) in &self.0 {
            let Some(text) = value.as_str().filter(|text| text.len() > 5) else { continue };
            if text.starts_with("cr_") {
                names.push((run.vault.key_hash(text), format!("<got hash:{name}>")));
            }
            names.push((text.to_owned(), format!("<got:{name}>")));
        }
        names
    }
}

/// Carries it out and gives what is compared: whether it was done, and the answer.
pub async fn run(
    world: &mut World,
    run: &Run<'_>,
    operate: &Operate,
    kept: &mut Kept,
) -> Result<Value> {
    let (done, answer) = match world.binary().cloned() {
        Some(binary) => {
            let stdin = operate.crs.stdin.clone();
            let stdin = stdin.or_else(|| operate.legacy.last().and_then(|own| own.json.clone()));
            let stdin = stdin.map(|own| kept.fill(&own)).transpose()?.unwrap_or_default();
            let stdin = stdin.as_str().map_or_else(|| stdin.to_string(), str::to_owned);
            let mut args = vec!["--json".to_owned()];
            for argument in &operate.crs.args {
                args.push(kept.fill_text(argument)?);
            }
            world.command(&binary, &args, &stdin).await?
        }
        None => {
            let mut last = (false, Value::Null);
            for request in &operate.legacy {
                last = ask_legacy(world, run, request, kept).await?;
                // What follows builds on it.
                if !last.0 {
                    break;
                }
                kept.keep(&request.keep, &last.1)?;
            }
            last
        }
    };
    if done {
        kept.keep(&operate.keep, &answer)?;
    }
    let mut shown = json!({});
    if operate.done {
        shown["done"] = done.into();
    }
    if operate.answer {
        let mut answer = answer;
        if let Some(only) = &operate.only {
            answer = answer.get_mut(only).map(Value::take).unwrap_or_default();
        }
        leave_out(&mut answer, &operate.without);
        shown["answer"] = answer;
    }
    Ok(json!({ "operation": shown }))
}

fn leave_out(value: &mut Value, names: &[String]) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| leave_out(item, names)),
        Value::Object(members) => {
            members.retain(|name, _| !names.contains(name));
            members.values_mut().for_each(|item| leave_out(item, names));
        }
        _ => {}
    }
}

/// A stream of events as `crs` shows it; any other text as it is.
fn told(body: String) -> Value {
    let events: Vec<Value> = body
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data:")?.trim()).ok())
        .collect();
    if events.is_empty() { Value::String(body) } else { json!({ "events": events }) }
}

async fn ask_legacy(
    world: &mut World,
    run: &Run<'_>,
    request: &Request,
    kept: &Kept,
) -> Result<(bool, Value)> {
    let key = format!("session:{TOKEN}");
    let now = run.iso(0);
    let session =
        ["HSET", &key, "username", ADMINISTRATOR, "loginTime", &now, "lastActivity", &now];
    world.redis.pipeline(vec![command(session)]).await?;
    let send = Send {
        method: Some(request.method.clone()),
        path: Some(kept.fill_text(&request.path)?),
        client: Some("bare".to_owned()),
        headers: Map::from_iter([("x-admin-token".to_owned(), json!(TOKEN))]),
        json: request.json.as_ref().map(|body| kept.fill(body)).transpose()?,
        patience_ms: Some(20_000),
        ..Send::default()
    };
    let prepared = client::prepare(run, &send, world.port)?;
    let answer = client::exchange(&prepared, &send, world.port).await?;
    // The service notes the last activity by the way.
    tokio::time::sleep(std::time::Duration::from_millis(80)).await;
    world.redis.pipeline(vec![command(["DEL", &key])]).await?;
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    let body = serde_json::from_str(&body).unwrap_or_else(|_| told(body));
    Ok(((200..300).contains(&answer.status), body))
}
