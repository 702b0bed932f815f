//! The scenario format (`docs/conformance.md`). Declarations only; nothing here runs anything.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Map, Value};

/// One situation: a seeded Redis, scripted vendors, client requests.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Path-like, unique: `area/what`.
    pub name: String,
    /// The rule that the scenario pins down.
    pub why: String,
    /// Environment of the service, on top of the harness's own.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Vendor hosts that must not lead to the stand-in: `closed` refuses connections.
    #[serde(default)]
    pub hosts: BTreeMap<String, String>,
    /// `claude_relay_config`, as stored.
    #[serde(default)]
    pub settings: Option<Map<String, Value>>,
    /// `system:service_rates`, as stored.
    #[serde(default)]
    pub service_rates: Option<Value>,
    /// API keys by alias: fields that differ from a new key's. Default: one, `main`.
    #[serde(default)]
    pub keys: Option<Map<String, Value>>,
    /// Accounts by alias: `type` and fields that differ from a new account's. Types: `official` (default),
    /// `console`, `ccr`, `bedrock`, `openai` (logged in with ChatGPT), `responses` (a provider of the
    /// Responses API), `azure`. Left out: one official, `a`.
    #[serde(default)]
    pub accounts: Option<Map<String, Value>>,
    /// Account groups by alias: `{name, members: [alias…], platform}`.
    #[serde(default)]
    pub groups: Map<String, Value>,
    /// Sticky session mappings: session hash (the session's name with Azure) to account alias.
    #[serde(default)]
    pub sticky: Map<String, Value>,
    /// Further Redis commands of the seed.
    #[serde(default)]
    pub redis: Vec<Vec<String>>,
    /// Vendor replies. Default: every request gets an ordinary message.
    #[serde(default)]
    pub upstream: Option<Vec<Reply>>,
    /// Notifications: `webhook_config:default` as stored, merged over settings that are on with one custom
    /// platform. Addresses that begin with `/`, or `name:password@/`, lead to the harness's receiver. What it
    /// gets is the plane `webhook` of the observation.
    #[serde(default)]
    pub webhook: Option<Map<String, Value>>,
    /// What the receiver answers. Default: `{"ok":true}` to everything.
    #[serde(default)]
    pub webhook_replies: Option<Vec<Reply>>,
    /// The only request of a scenario with one step.
    #[serde(default)]
    pub send: Option<Send>,
    #[serde(default)]
    pub steps: Vec<Step>,
    /// How many processes of the service run on the one Redis, one unless said.
    #[serde(default)]
    pub instances: Option<usize>,
    /// Extra time before the final look at Redis.
    #[serde(default)]
    pub settle_ms: u64,
    /// The moment, in UTC, that background jobs take for now (`2026-03-04T05:06:07.000Z`), for rules about
    /// days and weeks; `${…}` is reckoned from it, too. Expiries in Redis keep real time.
    #[serde(default)]
    pub clock: Option<String>,
}

/// One thing that happens; exactly one member is given.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    #[serde(default)]
    pub send: Option<Send>,
    /// Requests that run at once.
    #[serde(default)]
    pub parallel: Option<Vec<Send>>,
    #[serde(default)]
    pub wait_ms: Option<u64>,
    /// Commands given to Redis between requests.
    #[serde(default)]
    pub redis: Option<Vec<Vec<String>>>,
    /// Commands whose replies belong to the observation.
    #[serde(default)]
    pub look: Option<Vec<Vec<String>>>,
    /// A background job that runs to its end: a name of `tests/harness/jobs.rs`, after a colon what it is
    /// handed. `start` stands for everything that a start of the service does.
    #[serde(default)]
    pub job: Option<String>,
    /// An administrator's operation.
    #[serde(default)]
    pub operate: Option<Operate>,
}

/// An administrator's operation: requests to the legacy admin API, and the command of `crs` that has the
/// same effect. What is kept from the last answer is `${got:name}` afterwards.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operate {
    pub legacy: Vec<Request>,
    pub crs: Command,
    /// Name to path in the answer (`data/id`).
    #[serde(default)]
    pub keep: BTreeMap<String, String>,
    /// Whether the answers are compared; else only whether it was done.
    #[serde(default = "yes")]
    pub answer: bool,
    /// Whether it is compared that the operation was done; a test answers 200 whatever comes of it.
    #[serde(default = "yes")]
    pub done: bool,
    /// The one member of both answers that is compared.
    #[serde(default)]
    pub only: Option<String>,
    /// Members that are left out of both answers, wherever they stand.
    #[serde(default)]
    pub without: Vec<String>,
}

/// One request to the legacy admin API, as its administrator.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    pub method: String,
    pub path: String,
    #[serde(default)]
    pub json: Option<Value>,
    #[serde(default)]
    pub keep: BTreeMap<String, String>,
}

/// One command of `crs`, after `crs --json`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    pub args: Vec<String>,
    /// Standard input; the JSON of the last request to the legacy service when left out.
    #[serde(default)]
    pub stdin: Option<Value>,
}

fn yes() -> bool {
    true
}

/// One client request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Send {
    #[serde(default)]
    pub method: Option<String>,
    /// Default `/api/v1/messages`.
    #[serde(default)]
    pub path: Option<String>,
    /// Kind of client: `code` (default), `sdk`, `chat`, `codex` (for `/responses`), `openai` (OpenAI's SDK),
    /// `bare`.
    #[serde(default, rename = "as")]
    pub client: Option<String>,
    /// API key alias; `null` sends none.
    #[serde(default = "main_key", deserialize_with = "explicit_null")]
    pub key: Option<String>,
    /// Header that carries the key.
    #[serde(default)]
    pub key_in: Option<String>,
    /// Header changes by name; `null` removes, a list sends the header several times.
    #[serde(default)]
    pub headers: Map<String, Value>,
    /// Merge patch on the client kind's body.
    #[serde(default)]
    pub body: Option<Value>,
    /// Body in place of the client kind's.
    #[serde(default)]
    pub json: Option<Value>,
    /// Exact body text.
    #[serde(default)]
    pub raw: Option<String>,
    /// Exact body bytes, in hex.
    #[serde(default)]
    pub raw_hex: Option<String>,
    /// Exact bytes of the whole request, head included.
    #[serde(default)]
    pub wire: Option<String>,
    /// Content encoding applied to the body: `gzip` or `deflate`.
    #[serde(default)]
    pub encoding: Option<String>,
    /// A user message text of so many bytes is added to the body.
    #[serde(default)]
    pub padding: usize,
    /// Sends the body in chunks of so many bytes.
    #[serde(default)]
    pub chunked: Option<usize>,
    /// Claims this length and sends no body.
    #[serde(default)]
    pub claim_length: Option<u64>,
    #[serde(default)]
    pub stream: Option<bool>,
    /// Which of the `instances` is asked, counted from 0.
    #[serde(default)]
    pub instance: usize,
    /// Start of the request after the start of its parallel group.
    #[serde(default)]
    pub after_ms: u64,
    /// Client closes the connection so long after sending.
    #[serde(default)]
    pub leave_after_ms: Option<u64>,
    /// Client closes the connection once the body so far holds this text.
    #[serde(default)]
    pub leave_at: Option<String>,
    /// How long the client waits for the complete answer.
    #[serde(default)]
    pub patience_ms: Option<u64>,
}

fn main_key() -> Option<String> {
    Some("main".to_owned())
}

fn explicit_null<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(from)
}

/// One vendor reply, used once (unless `repeat`) for the first request that it matches.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// Host it answers; default any.
    #[serde(default)]
    pub host: Option<String>,
    /// Path prefix it answers; default any.
    #[serde(default)]
    pub path: Option<String>,
    #[serde(default)]
    pub repeat: bool,
    #[serde(default)]
    pub status: Option<u16>,
    /// Further headers; `null` removes a default one.
    #[serde(default)]
    pub headers: Map<String, Value>,
    /// An assistant message, as JSON or SSE by the request's `stream`, in the dialect of the host and path
    /// that was asked: `text`, `model`, `usage`, `tool`, `thinking`, `stop_reason`.
    #[serde(default)]
    pub message: Option<Map<String, Value>>,
    #[serde(default)]
    pub json: Option<Value>,
    #[serde(default)]
    pub text: Option<String>,
    /// SSE events: an object is sent as `event: <type>` and `data:`, a text goes out as it is,
    /// `{"wait_ms": n}` pauses.
    #[serde(default)]
    pub sse: Option<Vec<Value>>,
    /// Events of AWS's binary stream. An object or text is the content of a `chunk`; further forms:
    /// `{"chunk": …, "damage": how}` with `crc`, `prelude` or `half`; `{"exception": type, "message":
    /// text}`, or `payload` in place of the message; `{"error": code, "message": text}`; `{"event":
    /// type, "payload": text}` with `kind` for another message type; `{"hex": bytes}`; `{"wait_ms": n}`.
    /// Ordinary messages to a Bedrock stream become such events by themselves.
    #[serde(default)]
    pub aws: Option<Vec<Value>>,
    /// The whole answer byte for byte, status line and framing included, in place of all of the above: texts,
    /// `{"hex": bytes}`, `{"wait_ms": n}`. HTTP/1.1 only.
    #[serde(default)]
    pub wire: Option<Vec<Value>>,
    /// Breaks the answer off after so many bytes of it, head and framing included (of the body with HTTP/2), as
    /// `then` says.
    #[serde(default)]
    pub cut: Option<usize>,
    /// Pause before the head.
    #[serde(default)]
    pub delay_ms: u64,
    /// Pause between SSE events.
    #[serde(default)]
    pub gap_ms: u64,
    /// Bytes per write; cuts events and characters at odd places.
    #[serde(default)]
    pub split: Option<usize>,
    /// Content encoding: `gzip` or `deflate`.
    #[serde(default)]
    pub encoding: Option<String>,
    /// No answer: `reset`, `close` or `hang` instead of a head.
    #[serde(default)]
    pub fail: Option<String>,
    /// How an answer with a head ends: `cut`, `reset` or `hang` after the body instead of its end.
    #[serde(default)]
    pub then: Option<String>,
}

impl Scenario {
    /// Whether the service's background work is run on demand, which takes a process of its own kind.
    pub fn runs_jobs(&self) -> bool {
        self.steps.iter().any(|step| step.job.is_some())
    }

    /// How many processes of the service the scenario takes.
    pub fn instances(&self) -> usize {
        self.instances.unwrap_or(1).max(1)
    }

    /// What decides whether two scenarios may share one process of the service.
    pub fn group(&self) -> String {
        format!(
            "{:?} {:?} {:?} {:?} {} {}",
            self.runs_jobs(),
            self.instances(),
            self.env,
            self.hosts,
            self.settings.as_ref().map(|s| Value::Object(s.clone())).unwrap_or_default(),
            self.service_rates.clone().unwrap_or_default()
        )
    }
}

/// Declarations as read, `${…}` still unexpanded.
pub struct Source {
    pub name: String,
    pub value: Value,
    pub scenario: Scenario,
}

/// Reads every `*.json` below the folder; names must be unique.
pub fn load(folder: &Path) -> Result<Vec<Source>> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.sort();
    let mut sources: Vec<Source> = Vec::new();
    for file in files {
        let shown = file.display().to_string();
        let list: Vec<Value> = serde_json::from_str(&fs::read_to_string(&file)?)
            .with_context(|| format!("reading {shown}"))?;
        for value in list {
            let name = value.get("name").and_then(Value::as_str).unwrap_or("?").to_owned();
            let scenario = serde_json::from_value(value.clone())
                .with_context(|| format!("{name} in {shown}"))?;
            let scenario: Scenario = scenario;
            if scenario.name != name || scenario.why.is_empty() {
                bail!("{name} in {shown} needs a name and a reason");
            }
            if sources.iter().any(|source| source.name == name) {
                bail!("{name} is declared twice");
            }
            sources.push(Source { name, value, scenario });
        }
    }
    Ok(sources)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("{}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    Ok(())
}
