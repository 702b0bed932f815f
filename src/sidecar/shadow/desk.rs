//! The queue of requests to be done again, and what is kept of the outcome.

use std::{
    collections::VecDeque,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use compat::{clock::Clock, store::Store};
use futures_util::FutureExt;
use parking_lot::Mutex;
use serde::Serialize;
use shadow::{
    Observation, PlaneVerdict, Rules, Tally, Verdict,
    capture::{Capture, ClientRequest, Sealer},
    judge, safety,
    sample::{self, Decision, SampleSettings},
    tally::CellKey,
};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    case::Candidate,
    duty::Duty,
    notices,
    second_run::{Seals, Sides, both_sides},
    seen::{Seen, SeenRequest},
    shelf::Shelf,
    story,
};
use crate::{
    relay::Explained,
    sidecar::tap::{Expected, Tap},
};

/// Requests that wait to be done again; further ones are dropped and counted.
const QUEUE: usize = 256;
/// How long Node may take over a request after its client has the answer.
const TRACE_PATIENCE: Duration = Duration::from_secs(10);
/// Longest second run.
const RUN_PATIENCE: Duration = Duration::from_secs(60);
/// Second runs whose decisions are remembered.
const EXPLAINED: usize = 2_000;
/// Second runs at a time.
const AT_ONCE: usize = 4;

/// What the shadow side is made of.
pub struct ShadowParts {
    /// Does requests again.
    pub candidate: Arc<dyn Candidate>,
    /// Node's tap.
    pub tap: Arc<Tap>,
    /// The database, to read from.
    pub store: Arc<dyn Store>,
    /// Which differences are known.
    pub rules: Rules,
    /// Captured cases.
    pub shelf: Shelf,
    /// Opens what the legacy service encrypts in Redis.
    pub seals: Arc<dyn Seals>,
    /// Seals cases; `None`: none are kept.
    pub sealer: Option<Sealer>,
    /// Which requests are compared.
    pub sample: SampleSettings,
    /// Share of the time, in per cent, in which requests are traced when there are many.
    pub duty_percent: u32,
    /// Bytes of watched exchanges that may wait.
    pub room: usize,
    /// Time.
    pub clock: Clock,
}

/// The shadow side of a sidecar.
pub struct Shadow {
    parts: ShadowParts,
    sample: ArcSwap<SampleSettings>,
    duty: Mutex<Duty>,
    tally: Mutex<Tally>,
    /// Whether something was counted since it was last written down.
    news: AtomicBool,
    queue: mpsc::Sender<Job>,
    jobs: Mutex<Option<mpsc::Receiver<Job>>>,
    waiting: AtomicUsize,
    kept: Arc<AtomicUsize>,
    /// What was decided about the last requests that were done again.
    explained: Mutex<VecDeque<([String; 2], Explained)>>,
    done: AtomicU64,
    panics: AtomicU64,
    /// Age of the request that was finished last, in milliseconds.
    lag_ms: AtomicU64,
}

/// One request that is over.
pub(super) struct Job {
    pub id: String,
    pub seen: Seen,
    pub expected: Option<Expected>,
    /// Gives its bytes back when dropped.
    pub room: Room,
}

/// Bytes taken from the common room.
pub(super) struct Room {
    kept: Arc<AtomicUsize>,
    bytes: usize,
}

/// Figures for operators.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ShadowStatus {
    /// Taps connected.
    pub taps: usize,
    /// Requests that wait.
    pub waiting: usize,
    /// Bytes that they hold.
    pub bytes: usize,
    /// Requests done again since the start.
    pub done: u64,
    /// Second runs that panicked.
    pub panics: u64,
    /// How far behind live traffic the last one was, milliseconds.
    pub lag_ms: u64,
}

impl Shadow {
    /// A shadow side; [`Shadow::run`] must be running for anything to be compared.
    pub fn new(parts: ShadowParts, tally: Tally) -> Arc<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        Arc::new(Self {
            sample: ArcSwap::from_pointee(parts.sample.clone()),
            duty: Mutex::new(Duty::new(parts.duty_percent)),
            parts,
            tally: Mutex::new(tally),
            news: AtomicBool::new(false),
            queue,
            jobs: Mutex::new(Some(jobs)),
            waiting: AtomicUsize::new(0),
            kept: Arc::default(),
            explained: Mutex::default(),
            done: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            lag_ms: AtomicU64::new(0),
        })
    }

    /// Which requests are compared from now on.
    pub fn set_sample(&self, settings: SampleSettings) {
        self.sample.store(Arc::new(settings));
    }

    /// Which requests are compared.
    pub fn sample(&self) -> Arc<SampleSettings> {
        self.sample.load_full()
    }

    /// Whether a request is to be compared, as far as its head tells.
    pub(super) fn wants(&self, id: &str, method: &str, route: &str, length: u64) -> bool {
        if !safety::of(method, route).allowed() {
            return false;
        }
        // Counts what Node has to do, whether or not it is in the sample. Without a tap nothing costs Node anything.
        let open = self.duty.lock().takes(self.now_ms()) || self.tap().is_none();
        let request =
            sample::Candidate { id, method, route, key_id: None, tags: &[], body: length };
        let decision = self.sample.load().decide(&request);
        if matches!(decision, Decision::Body) {
            self.drop_one("body too large");
        }
        open && matches!(decision, Decision::Take)
    }

    /// The tap, when one is connected.
    pub(super) fn tap(&self) -> Option<&Arc<Tap>> {
        Some(&self.parts.tap).filter(|tap| tap.connected() > 0)
    }

    /// An empty room; it grows with [`Room::take`].
    pub(super) fn room(&self) -> Room {
        Room { kept: Arc::clone(&self.kept), bytes: 0 }
    }

    /// Bytes that all rooms together may take.
    pub(super) fn limit(&self) -> usize {
        self.parts.room
    }

    /// The clock that arrivals go by.
    pub(super) fn now_ms(&self) -> i64 {
        self.parts.clock.now_ms()
    }

    /// Hands a request over that is over. Dropped and counted when the queue is full.
    pub(super) fn submit(&self, job: Job) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if self.queue.try_send(job).is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.drop_one("queue full");
        }
    }

    /// Counts a request that was not compared.
    pub fn drop_one(&self, why: &'static str) {
        metrics::counter!("crs_shadow_dropped_total", "why" => why).increment(1);
        self.counted(|tally| tally.drop_one(why));
    }

    /// Counts a request to a route that `crs` does not own.
    pub fn not_owned(&self, route: &str) {
        self.counted(|tally| tally.not_owned(route));
    }

    /// Counts a request that passed without being compared.
    pub(super) fn passed(&self, request: &SeenRequest, id: &str) {
        let facts = story::facts(id, request);
        let control = Observation { request: facts, ..Observation::default() };
        self.counted(|tally| tally.passed(CellKey::of(&control), request.arrived_ms));
    }

    fn counted(&self, count: impl FnOnce(&mut Tally)) {
        count(&mut self.tally.lock());
        self.news.store(true, Ordering::Relaxed);
    }

    /// Adds what was counted before.
    pub(super) fn resume(&self, before: &Tally) {
        self.counted(|tally| tally.merge(before));
    }

    /// Everything counted so far, if something is new since this was last asked.
    pub(super) fn news(&self) -> Option<Tally> {
        self.news.swap(false, Ordering::Relaxed).then(|| self.tally())
    }

    /// The news did not arrive.
    pub(super) fn not_published(&self) {
        self.news.store(true, Ordering::Relaxed);
    }

    /// Everything counted so far by this process.
    pub fn tally(&self) -> Tally {
        self.tally.lock().clone()
    }

    /// Forgets what was counted and captured.
    pub fn reset(&self) {
        self.counted(|tally| *tally = Tally::default());
        self.parts.shelf.clear();
    }

    /// What `crs` decided about a request it did again: by the id of its case, or by the id that Node
    /// answered with.
    pub fn explain(&self, id: &str) -> Option<Explained> {
        let known = self.explained.lock();
        known.iter().rev().find(|(ids, _)| ids.iter().any(|one| one == id)).map(|(_, e)| e.clone())
    }

    fn remember(&self, id: &str, seen: &Seen, sides: &Sides) {
        let Some(explained) = &sides.explained else { return };
        let mut explained = explained.clone();
        let answered = seen.response.as_ref().and_then(|response| response.header("x-request-id"));
        let node = answered.unwrap_or(id).to_owned();
        explained.request_id.clone_from(&node);
        let mut known = self.explained.lock();
        if known.len() >= EXPLAINED {
            known.pop_front();
        }
        known.push_back(([id.to_owned(), node], explained));
    }

    /// Captured cases.
    pub fn shelf(&self) -> &Shelf {
        &self.parts.shelf
    }

    /// What opens them.
    pub fn sealer(&self) -> Option<&Sealer> {
        self.parts.sealer.as_ref()
    }

    /// The rules in force.
    pub fn rules(&self) -> &Rules {
        &self.parts.rules
    }

    /// Figures for operators.
    pub fn status(&self) -> ShadowStatus {
        ShadowStatus {
            taps: self.parts.tap.connected(),
            waiting: self.waiting.load(Ordering::Relaxed),
            bytes: self.kept.load(Ordering::Relaxed),
            done: self.done.load(Ordering::Relaxed),
            panics: self.panics.load(Ordering::Relaxed),
            lag_ms: self.lag_ms.load(Ordering::Relaxed),
        }
    }

    /// Does requests again until `stop`. Run it once, on threads of its own.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let Some(mut jobs) = self.jobs.lock().take() else { return };
        let mut running = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = running.join_next() => {}
                job = jobs.recv(), if running.len() < AT_ONCE => {
                    let Some(job) = job else { break };
                    let desk = Arc::clone(&self);
                    running.spawn(async move { desk.one(job).await });
                }
            }
        }
    }

    async fn one(&self, job: Job) {
        let arrived_ms = job.seen.request.arrived_ms;
        let compared = AssertUnwindSafe(tokio::time::timeout(
            TRACE_PATIENCE + RUN_PATIENCE,
            self.compare(job),
        ))
        .catch_unwind()
        .await;
        match compared {
            Ok(Ok(())) => {
                self.done.fetch_add(1, Ordering::Relaxed);
            }
            Ok(Err(_)) => self.drop_one("second run took too long"),
            Err(_) => {
                self.panics.fetch_add(1, Ordering::Relaxed);
                self.drop_one("second run panicked");
            }
        }
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let lag = self.now_ms().saturating_sub(arrived_ms).try_into().unwrap_or(0);
        self.lag_ms.store(lag, Ordering::Relaxed);
    }

    async fn compare(&self, job: Job) {
        let Job { id, seen, expected, room } = job;
        let mut trace = match expected {
            Some(expected) => Some(expected.trace(Instant::now() + TRACE_PATIENCE).await),
            None => None,
        };
        trace.iter_mut().for_each(notices::take_out);
        if trace.as_ref().is_some_and(|trace| trace.began_ms == 0.0 && trace.incomplete.is_some()) {
            // Node's HTTP parser has answered by itself.
            return self.drop_one("did not reach the service");
        }
        let (store, seals) = (Arc::clone(&self.parts.store), Arc::clone(&self.parts.seals));
        let sides =
            both_sides(&id, seen.clone(), trace.as_ref(), &*self.parts.candidate, store, &*seals)
                .await;
        self.remember(&id, &seen, &sides);
        if sides.explained.as_ref().is_some_and(|explained| explained.not_served) {
            return self.drop_one("account type not served by crs yet");
        }
        let verdict = judge(&sides.control, &sides.candidate, &self.parts.rules);
        count(&verdict);
        self.counted(|tally| tally.add(&sides.control, &verdict));
        if !verdict.agrees() || self.sample.load().captures_agreeing(&id) {
            self.capture(seen.request, sides, verdict);
        }
        drop(room);
    }

    fn capture(&self, request: SeenRequest, sides: Sides, verdict: Verdict) {
        let Some(sealer) = &self.parts.sealer else { return };
        let mut capture = Capture {
            id: verdict.id.clone(),
            captured_ms: self.now_ms(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            request: ClientRequest {
                method: request.method,
                path: request.target,
                headers: request.headers,
                body: shadow::Body::kept(request.body),
            },
            control: sides.control,
            candidate: sides.candidate,
            verdict,
            ..Capture::default()
        };
        capture.fit();
        capture.redact(self.sample.load().replace_prompts);
        // Secrets in it are the legacy service's own encrypted texts.
        capture.base = serde_json::to_value(&sides.base).ok();
        let kept = sealer.seal(&capture).map_err(|error| error.to_string()).and_then(|sealed| {
            self.parts.shelf.keep(&capture.id, &sealed).map_err(|error| error.to_string())
        });
        if let Err(error) = kept {
            tracing::warn!(id = capture.id, error, "A case was not captured");
            metrics::counter!("crs_shadow_captures_lost_total").increment(1);
        }
    }
}

impl Room {
    /// Takes bytes if all rooms together then stay within `limit`.
    pub fn take(&mut self, bytes: usize, limit: usize) -> bool {
        let before = self.kept.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        before + bytes <= limit
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.kept.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

fn count(verdict: &Verdict) {
    for (plane, of_plane) in &verdict.planes {
        let outcome = match of_plane {
            PlaneVerdict::Agree => "agree",
            PlaneVerdict::IgnoredOnly => "ignored_only",
            PlaneVerdict::Differ => "differ",
            PlaneVerdict::NotCompared { .. } => "not_compared",
        };
        let plane = plane.name();
        metrics::counter!("crs_shadow_compared_total", "plane" => plane, "outcome" => outcome)
            .increment(1);
    }
    metrics::counter!("crs_shadow_requests_total", "source" => verdict.source.name()).increment(1);
}
