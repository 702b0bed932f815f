//! From a request that passed, and what Node's tap told of it, to both sides of the comparison.

use std::sync::Arc;

use bytes::Bytes;
use compat::{
    clock::Clock,
    crypto::key_hash,
    keys,
    memory::{
        Base, EmptyBase, Foreign, Layered, Learner, Loaded, Memory, NetChange, RedisBase, Snapshot,
        Value,
    },
    store::{Store, StoreError},
};
use shadow::{Gap, Observation, Plane, Rules, Source, Verdict, capture::Capture, judge};

use super::{
    case::{Candidate, Case},
    quirks,
    seen::{Seen, SeenResponse},
    story,
};
use crate::{
    relay::Explained,
    sidecar::tap::{Command, NodeTrace},
    upstream::replay::decoded,
};

/// Commands further apart than this are played with the clock moved on.
const STEP_MS: f64 = 200.0;
/// Divergences that are named in a gap.
const NAMED: usize = 3;

/// Does a captured request again, on another build or machine, and judges it anew.
///
/// # Errors
/// When the case does not hold what it stood on.
pub async fn again(
    mut case: Capture,
    candidate: &dyn Candidate,
    seals: &dyn Seals,
    rules: &Rules,
    encryption_key: &str,
    key_prefix: &str,
) -> Result<Verdict, String> {
    let base = case.base.take().ok_or("the case does not hold what it stood on")?;
    let snapshot: Snapshot = serde_json::from_value(base).map_err(|error| error.to_string())?;
    let mut base = snapshot.into_base();
    let mut request = story::request_again(&case);
    // The key itself was not captured; another one is known by the same id here.
    if let Some(id) = &case.control.request.key_id {
        let presented = format!("{key_prefix}replayed-{}", case.id);
        request.present(&presented);
        let fields = [(Bytes::from(key_hash(&presented, encryption_key)), Bytes::from(id.clone()))];
        let value = Value::Hash(fields.into_iter().collect());
        base.insert(keys::API_KEY_MAP, Loaded::Value { value, ttl_ms: None });
    }
    let mut run = candidate
        .run(Case {
            recorded: story::recordings_again(&case),
            base: Arc::new(Layered::new(vec![Arc::new(base), Arc::new(EmptyBase)])),
            leaves_after: None,
            clock: Clock::manual(case.control.request.arrived_ms),
            request,
        })
        .await;
    plain(run.response.as_mut()).await;
    let mut new = story::candidate(&run, &case.control.request, case.candidate.source);
    new.effects = new.effects.map(|effects| story::opened(effects, seals));
    story::as_then(&case.control, &mut new, case.prompts_replaced);
    case.candidate = new;
    case.fit();
    case.redact(case.prompts_replaced);
    // Stand-ins of secrets are made anew for each capture, so only that there is one can be compared.
    Ok(judge(&story::alike(&case.control)?, &story::alike(&case.candidate)?, rules))
}

/// Opens secrets that are stored encrypted, so that both sides' can be compared: the same secret is never
/// encrypted to the same text twice.
pub trait Seals: Send + Sync + 'static {
    /// A fingerprint of the secret in a field of the record at `key`; `None` when it is no such text.
    fn fingerprint(&self, key: &str, text: &str) -> Option<String>;
}

/// Both sides of one request.
pub struct Sides {
    /// Node.
    pub control: Observation,
    /// `crs`.
    pub candidate: Observation,
    /// Why `crs` did it so.
    pub explained: Option<Explained>,
    /// The database that it stood on.
    pub base: Snapshot,
}

/// Does the request a second time on the database as Node found it.
pub async fn both_sides(
    id: &str,
    seen: Seen,
    trace: Option<&NodeTrace>,
    candidate: &dyn Candidate,
    store: Arc<dyn Store>,
    seals: &dyn Seals,
) -> Sides {
    let seen = {
        let mut seen = seen;
        plain(seen.response.as_mut()).await;
        seen
    };
    let mut facts = story::facts(id, &seen.request);
    facts.stream = story::streams(seen.response.as_ref(), facts.stream);
    // A trace that lacks something cannot stand for what Node did; its exchanges still serve as replies.
    let whole = trace.filter(|trace| trace.incomplete.is_none());
    let start_ms = start_of(&seen, trace);
    let base = base_of(whole, store);
    let mut gaps = Vec::new();
    let effects = match whole {
        Some(trace) => match node_effects(trace, Arc::clone(&base), start_ms).await {
            Ok((changes, why)) => {
                gaps.extend(why);
                Some(story::opened(changes.to_json(), seals))
            }
            Err(error) => {
                gaps.push(error.to_string());
                None
            }
        },
        None => None,
    };
    let mut control = story::control(&seen, &facts, trace, effects);
    let gap = |why| Gap { plane: Some(Plane::Effects), why };
    control.gaps.extend(gaps.into_iter().map(gap));
    let leaves_after =
        seen.client_left.then(|| seen.response.as_ref().map_or(0, |response| response.body.len()));
    let case = Case {
        request: seen.request.clone(),
        recorded: story::recordings(&seen, trace),
        base,
        leaves_after,
        clock: Clock::manual(start_ms),
    };
    let mut run = candidate.run(case).await;
    plain(run.response.as_mut()).await;
    facts.key_id = run.keys.iter().find_map(|key| key_id(key));
    control.request.key_id.clone_from(&facts.key_id);
    let mut candidate = story::candidate(&run, &facts, control.source);
    candidate.effects = candidate.effects.map(|effects| story::opened(effects, seals));
    let streams = |url: &str| url.ends_with("/invoke-with-response-stream");
    if control.source == Source::Echo && run.sent.iter().any(|sent| streams(&sent.request.url)) {
        let why = "AWS's events cannot be had from the client's".to_owned();
        control.gaps.push(Gap { plane: Some(Plane::ResponseBody), why });
    }
    if let Some(trace) = whole {
        let unlike = quirks::gaps(trace, &control, &candidate);
        control.gaps.extend(unlike);
    }
    if control.source != Source::Tap {
        control.effects = None;
        control.account = None;
    }
    Sides { control, candidate, explained: run.explained, base: run.base }
}

/// Undoes a content encoding: two encoders need not agree on bytes.
async fn plain(response: Option<&mut SeenResponse>) {
    let Some(response) = response else { return };
    if let Some(encoding) = response.header("content-encoding").map(str::to_owned) {
        response.body = decoded(&encoding, std::mem::take(&mut response.body)).await;
    }
}

/// The database as Node found it: what its own replies say, and beyond that as it is now.
fn base_of(trace: Option<&NodeTrace>, store: Arc<dyn Store>) -> Arc<dyn Base> {
    let live: Arc<dyn Base> = Arc::new(RedisBase::new(store));
    let Some(trace) = trace else { return live };
    let mut learner = Learner::default().absent_if_written_blind();
    for command in &trace.commands {
        if let Some(reply) = &command.reply {
            learner.learn(&words(command), reply);
        }
    }
    Arc::new(Layered::new(vec![Arc::new(learner.into_base()), live]))
}

/// What Node's commands changed, and why that may not be all.
async fn node_effects(
    trace: &NodeTrace,
    base: Arc<dyn Base>,
    start_ms: i64,
) -> Result<(NetChange, Vec<String>), StoreError> {
    let clock = Clock::manual(start_ms);
    let memory = Memory::new(base, clock.clone());
    let mut rest = &trace.commands[..];
    while let Some(first) = rest.first() {
        let together = rest.iter().take_while(|c| c.ms < first.ms + STEP_MS).count().max(1);
        let (now, later) = rest.split_at(together);
        move_to(&clock, first.ms as i64);
        let foreign: Vec<Foreign> = now
            .iter()
            .map(|command| Foreign { args: words(command), reply: command.reply.clone() })
            .collect();
        memory.replay(&foreign).await?;
        rest = later;
    }
    let mut gaps: Vec<String> = memory
        .unsupported()
        .into_keys()
        .map(|command| format!("the command {command} is not known here"))
        .collect();
    let off = memory.divergences();
    if !off.is_empty() {
        let named: Vec<&str> = off.iter().take(NAMED).map(|d| d.command.as_str()).collect();
        tracing::debug!(count = off.len(), ?named, "Node's commands were answered differently");
    }
    gaps.truncate(NAMED);
    Ok((memory.changes(), gaps))
}

/// Moves a clock forward to a moment, never back.
pub fn move_to(clock: &Clock, at_ms: i64) {
    let now = clock.now_ms();
    if at_ms > now {
        clock.advance_ms(at_ms - now);
    }
}

fn start_of(seen: &Seen, trace: Option<&NodeTrace>) -> i64 {
    let began = trace.map_or(0.0, |trace| trace.began_ms);
    if began > 0.0 { began as i64 } else { seen.request.arrived_ms }
}

fn words(command: &Command) -> Vec<Vec<u8>> {
    command.words.iter().map(|word| word.to_vec()).collect()
}

fn key_id(key: &str) -> Option<String> {
    let id = key.strip_prefix("apikey:")?;
    (id != "hash_map" && !id.contains(':')).then(|| id.to_owned())
}
