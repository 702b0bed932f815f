//! Where the rollout stands in this process: the shared record, unless the override file, a guard that
//! cannot reach Redis, or the lack of a Node service says otherwise. Reading it takes no lock.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rand::Rng;
use serde::Serialize;
use tokio::sync::watch;

use super::{
    Decision, KeyDirectory, KeyOf, Meter, OwnedRoute, Phase, Plan, Record, Serve,
    decide::decide,
    override_file::{self, Override},
    ports::Fitness,
};

/// Where the phase in force comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Nobody has changed anything yet, or Redis has not been reached yet.
    Default,
    /// The shared record.
    Record,
    /// The override file of this machine, or a signal.
    Override,
    /// A guard of this process, until the shared record says so too.
    Guard,
    /// There is no Node service.
    NoLegacy,
}

/// What is in force.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The plan, with the phase in force.
    pub plan: Plan,
    /// Version of the record that the plan is from; 0 for none.
    pub version: u64,
    /// Where the phase comes from.
    pub source: Source,
    /// Why, when it is not the record's.
    pub why: Option<String>,
}

/// A request as the decision needs it.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Method.
    pub method: &'a http::Method,
    /// Path in the canonical spelling (`api::middleware::path::canonical`), without query.
    pub path: &'a str,
    /// The key that the request presents (`keys::present`).
    pub credential: Option<&'a str>,
    /// Platform of the model that the body names, where it is known and the route asks for it.
    pub platform: Option<&'a str>,
}

/// Inputs of the standing.
#[derive(Default)]
struct Inputs {
    record: Option<Record>,
    said: Option<Override>,
    /// The override could not be written to its file and holds without it.
    unsaved: bool,
    held: Option<String>,
}

/// The standing of this process; one per process, shared.
pub struct Rollout {
    standing: ArcSwap<Standing>,
    inputs: Mutex<Inputs>,
    changed: watch::Sender<u64>,
    file: PathBuf,
    legacy: bool,
    keys: KeyDirectory,
    fitness: Option<Arc<dyn Fitness>>,
    meter: Meter,
}

impl Rollout {
    /// The standing of a process whose data folder is `data_dir`. `legacy`: there is a Node service.
    /// What the override file says holds from the beginning.
    pub fn new(
        data_dir: &Path,
        legacy: bool,
        keys: KeyDirectory,
        fitness: Option<Arc<dyn Fitness>>,
    ) -> Self {
        let file = override_path(data_dir);
        let inputs = Inputs { said: override_file::read(&file), ..Inputs::default() };
        Self {
            standing: ArcSwap::from_pointee(stand(&inputs, legacy)),
            inputs: Mutex::new(inputs),
            changed: watch::Sender::new(0),
            file,
            legacy,
            keys,
            fitness,
            meter: Meter::default(),
        }
    }

    /// What is in force now.
    pub fn standing(&self) -> Arc<Standing> {
        self.standing.load_full()
    }

    /// The phase in force now.
    pub fn phase(&self) -> Phase {
        self.standing.load().plan.phase
    }

    /// Whether there is a Node service.
    pub fn has_legacy(&self) -> bool {
        self.legacy
    }

    /// Told at each change of the standing.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// What guards watch; the request path counts here.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Whether the body's model may decide about a request, so that it is to be looked for first. Only
    /// while names of platforms in the plan of a canary tell the route's platforms apart.
    pub fn asks_for_model(&self, ask: &Ask<'_>) -> bool {
        let standing = self.standing.load();
        standing.plan.phase == Phase::Canary
            && super::route(ask.method, ask.path)
                .is_some_and(|route| standing.plan.share.asks_for_model(route))
    }

    /// The decision, when it needs no look into Redis: always, but for keys during canary that nobody
    /// asked for within the last second.
    pub fn decide_now(&self, ask: &Ask<'_>) -> Option<Decision> {
        let standing = self.standing.load();
        let route = super::route(ask.method, ask.path);
        match (self.asks_for_key(&standing.plan, route), ask.credential) {
            (false, _) => Some(self.decided(&standing.plan, route, ask, KeyOf::NotAsked)),
            (true, None) => Some(self.decided(&standing.plan, route, ask, KeyOf::Unknown)),
            (true, Some(credential)) => {
                let key = self.keys.remembered(credential)?;
                let key = key.as_deref().map_or(KeyOf::Unknown, KeyOf::Known);
                Some(self.decided(&standing.plan, route, ask, key))
            }
        }
    }

    /// The decision without any wait, for places that cannot. During canary a key is taken as it was last
    /// known, at any age, and looked up behind the request; the first request of a key that this process
    /// has never seen goes to Node.
    pub fn decide_at_once(&self, ask: &Ask<'_>) -> Decision {
        let standing = self.standing.load();
        let route = super::route(ask.method, ask.path);
        let key = match (self.asks_for_key(&standing.plan, route), ask.credential) {
            (false, _) => return self.decided(&standing.plan, route, ask, KeyOf::NotAsked),
            (true, None) => None,
            (true, Some(credential)) => self.keys.last_known(credential).flatten(),
        };
        let key = key.as_deref().map_or(KeyOf::Unknown, KeyOf::Known);
        self.decided(&standing.plan, route, ask, key)
    }

    /// Looks up keys behind requests; never ends.
    pub(super) async fn learn_keys(&self) {
        self.keys.learn().await;
    }

    /// The decision. Reads the key's record at most; that takes at most the time that Redis calls may.
    pub async fn decide(&self, ask: &Ask<'_>) -> Decision {
        if let Some(decision) = self.decide_now(ask) {
            return decision;
        }
        let key = match ask.credential {
            Some(credential) => self.keys.find(credential).await,
            None => None,
        };
        let standing = self.standing.load();
        let key = key.as_deref().map_or(KeyOf::Unknown, KeyOf::Known);
        self.decided(&standing.plan, super::route(ask.method, ask.path), ask, key)
    }

    fn asks_for_key(&self, plan: &Plan, route: Option<&OwnedRoute>) -> bool {
        let keyed = route.is_some_and(|route| route.access == super::Access::Key);
        keyed
            && match plan.phase {
                Phase::Canary => true,
                Phase::Primary => self.fitness.is_some(),
                Phase::Observe | Phase::Shadow | Phase::Standalone => false,
            }
    }

    fn decided(
        &self,
        plan: &Plan,
        route: Option<&OwnedRoute>,
        ask: &Ask<'_>,
        key: KeyOf<'_>,
    ) -> Decision {
        let draw = rand::rng().random_range(0..10_000);
        let with = |route: Option<&OwnedRoute>| {
            let unfit = match (&self.fitness, route, key) {
                (Some(fitness), Some(route), KeyOf::Known(key)) => {
                    fitness.unfit(route, &key.record)
                }
                _ => None,
            };
            decide(plan, route, key, unfit, draw)
        };
        match (route, ask.platform) {
            (Some(route), Some(platform)) => with(Some(&route.on(platform))),
            (Some(route), None) => {
                // A model that is not known may be any; what one of them keeps out is out.
                let first = with(Some(route));
                let mut readings = route.readings().skip(1).map(|reading| with(Some(&reading)));
                readings.find(|other| other.serve == Serve::Legacy).unwrap_or(first)
            }
            (None, _) => with(None),
        }
    }

    /// Back to `phase` at once, without Redis, and so that it outlasts a restart.
    pub fn override_with(&self, said: Override) {
        let saved = override_file::write(&self.file, &said);
        if let Err(error) = &saved {
            tracing::error!(%error, "the override holds, but its file cannot be written");
        }
        self.update(|inputs| {
            inputs.said = Some(said);
            inputs.unsaved = saved.is_err();
        });
    }

    /// Ends the override; whether there was one.
    ///
    /// # Errors
    /// When the file stays.
    pub fn end_override(&self) -> std::io::Result<bool> {
        let removed = override_file::remove(&self.file)?;
        let mut was = removed;
        self.update(|inputs| {
            was |= inputs.said.take().is_some();
            inputs.unsaved = false;
        });
        Ok(was)
    }

    /// Looks at the override file.
    pub(super) async fn look_at_file(&self) {
        let file = self.file.clone();
        // A disk that hangs must not stop the rest.
        let read = tokio::task::spawn_blocking(move || override_file::read(&file));
        let Ok(Ok(said)) = tokio::time::timeout(Duration::from_millis(400), read).await else {
            return;
        };
        let same = {
            let inputs = self.inputs.lock();
            inputs.said == said || (inputs.unsaved && said.is_none())
        };
        if !same {
            self.update(|inputs| {
                inputs.said = said;
                inputs.unsaved = false;
            });
        }
    }

    /// Takes the shared record over. An older one than is known comes from a Redis that lost writes and
    /// counts as well: it is what all instances see.
    pub(super) fn take_record(&self, record: Option<Record>) {
        if self.inputs.lock().record == record {
            return;
        }
        self.update(|inputs| {
            inputs.record = record;
            let serves = inputs.record.as_ref().is_some_and(|record| record.plan.phase.serves());
            if !serves {
                inputs.held = None;
            }
        });
    }

    /// Back to `shadow` in this process alone, until the shared record says so.
    pub(super) fn hold(&self, why: String) {
        self.update(|inputs| inputs.held = Some(why));
    }

    fn update(&self, change: impl FnOnce(&mut Inputs)) {
        let (before, after) = {
            let mut inputs = self.inputs.lock();
            change(&mut inputs);
            let after = Arc::new(stand(&inputs, self.legacy));
            // Swapped under the lock, so that a later change never loses to an earlier one.
            (self.standing.swap(Arc::clone(&after)), after)
        };
        if before.plan.position() != after.plan.position() || before.source != after.source {
            tracing::info!(
                from = before.plan.position(),
                to = after.plan.position(),
                source = ?after.source,
                why = after.why,
                version = after.version,
                "rollout"
            );
        }
        self.changed.send_modify(|count| *count += 1);
    }
}

/// Path of the override file.
pub fn override_path(data_dir: &Path) -> PathBuf {
    data_dir.join("crs").join("rollout.override")
}

/// What follows from the inputs.
fn stand(inputs: &Inputs, legacy: bool) -> Standing {
    let (plan, version) = match &inputs.record {
        Some(record) => (record.plan.clone(), record.version),
        None => (Plan::default(), 0),
    };
    let with = |phase, source, why: Option<String>| Standing {
        plan: Plan { phase, ..plan.clone() },
        version,
        source,
        why,
    };
    if !legacy {
        let why = "CRS_LEGACY_URL is not set".to_owned();
        return with(Phase::Standalone, Source::NoLegacy, Some(why));
    }
    if let Some(said) = &inputs.said {
        return with(said.phase, Source::Override, Some(said.reason.clone()));
    }
    if let Some(why) = &inputs.held
        && plan.phase.serves()
    {
        return with(Phase::Shadow, Source::Guard, Some(why.clone()));
    }
    let source = if inputs.record.is_some() { Source::Record } else { Source::Default };
    let why = inputs.record.as_ref().and_then(|record| record.change.why.clone());
    with(plan.phase, source, why)
}
