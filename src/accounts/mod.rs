//! Upstream accounts at work: tokens that are valid, slots that are counted, and the state changes that
//! follow from what a vendor answered.
//!
//! Selection is `schedule`'s business; requests of clients are sent by `relay`. The only traffic from
//! here is token refresh and the profile query that follows it, and what [`lifecycle`] asks vendors when
//! accounts are made, changed and looked after.

mod ambient;
mod azure;
mod bedrock;
mod events;
mod learn;
pub mod lifecycle;
pub mod messages;
mod oauth;
mod openai;
mod proxy;
mod ready;
mod recover;
mod refresh;
mod rotation;
mod settle;
mod slots;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use compat::{
    account_state::UsageCost,
    clock::{Clock, LocalCalendar},
    cooldown::CooldownTimes,
    crypto::Vault,
    pool::{Entry, Kind, Patch, Pools, index_repair},
    store::{Cmd, Store},
    write_behind::WriteBehind,
};
use jiff::tz::TimeZone;
use parking_lot::Mutex;
use tokio_util::task::TaskTracker;

pub use ambient::AmbientError;
pub use azure::AzureReady;
pub use bedrock::BedrockReady;
pub use openai::{OpenAiReady, OpenAiUnready, ResponsesReady};
pub use ready::{AccountError, OfficialReady, ProviderReady, intercepts_warmup};
pub use recover::{Kept, Recovered};
pub use refresh::RefreshError;
pub use settle::{
    ClientView, OfficialReply, ProviderReply, ResponsesLimit, error_message, is_account_disabled,
};
pub use slots::{Slot, SlotError};

use crate::{
    config::AwsSurroundings,
    domain::{AnomalySink, Secret},
    upstream::Sender,
};

/// Settings of this room.
#[derive(Clone, Debug)]
pub struct AccountRules {
    /// Lengths of cool-downs.
    pub cooldowns: CooldownTimes,
    /// Five-hour warnings per session window (`CLAUDE_5H_WARNING_MAX_NOTIFICATIONS`).
    pub warnings_per_window: i64,
    /// Minutes that a console account stays blocked (`CLAUDE_CONSOLE_BLOCKED_HANDLING_MINUTES`).
    pub console_block_minutes: i64,
    /// The process's own time zone; session windows begin on its full hours.
    pub zone: TimeZone,
    /// Longest silence of a vendor's token endpoint where it has no limit of its own (`REQUEST_TIMEOUT`).
    pub request_timeout: Duration,
    /// Where Bedrock accounts without credentials get some; `None` for runs without effects.
    pub surroundings: Option<AwsSurroundings>,
}

/// Everything that this room reaches the world through.
#[derive(Clone)]
pub struct AccountPorts {
    /// Redis.
    pub store: Arc<dyn Store>,
    /// Account snapshots.
    pub pools: Arc<Pools>,
    /// Writes that nobody waits for.
    pub writes: WriteBehind,
    /// Vendors.
    pub sender: Arc<dyn Sender>,
    /// Stored secrets.
    pub vault: Vault,
    /// Time.
    pub clock: Clock,
    /// The operator's calendar.
    pub calendar: LocalCalendar,
    /// Price list, for daily quotas.
    pub prices: Arc<dyn UsageCost>,
    /// Where operators hear of state changes.
    pub anomalies: Arc<dyn AnomalySink>,
}

/// Accounts at work. Cheap to clone.
#[derive(Clone)]
pub struct Accounts(Arc<Inner>);

struct Inner {
    ports: AccountPorts,
    rules: AccountRules,
    flights: refresh::Flights,
    rotations: rotation::Rotations,
    /// Credentials for Bedrock accounts that have none.
    ambient: Option<ambient::Ambient>,
    /// Decrypted secrets by account.
    opened: Mutex<HashMap<(Kind, Arc<str>), Opened>>,
    /// When the use of a provider's account was last written, epoch milliseconds.
    noted: Mutex<HashMap<Arc<str>, i64>>,
    /// Work that outlives its request: refreshes, lease renewals, checks after a rotation.
    tasks: TaskTracker,
}

/// A ciphertext and what it holds.
type Opened = (String, Secret);

/// Decrypted secrets kept at most; beyond it they are decrypted anew.
const OPENED_MAX: usize = 10_000;

/// A snapshot this young need not be read again to settle a request.
const FRESH: Duration = Duration::from_millis(50);

impl Accounts {
    /// Accounts over these ports.
    pub fn new(ports: AccountPorts, rules: AccountRules) -> Self {
        let ambient = rules.surroundings.clone().map(|from| {
            ambient::Ambient::new(from, Arc::clone(&ports.sender), ports.clock.clone())
        });
        Self(Arc::new(Inner {
            ambient,
            ports,
            rules,
            flights: refresh::Flights::default(),
            rotations: rotation::Rotations::default(),
            opened: Mutex::default(),
            noted: Mutex::default(),
            tasks: TaskTracker::new(),
        }))
    }

    /// Waits for refreshes in flight and sends what is queued; for shutdown.
    pub async fn drain(&self) {
        self.0.rotations.stop();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.0.ports.writes.flush().await;
    }

    /// Writes what the next request has to find, whichever instance it reaches: waits until Redis has
    /// answered. For refusals and failures, which are rare and whose client can wait for a round trip.
    async fn write_now(&self, cmds: Vec<Cmd>) {
        if !cmds.is_empty() {
            let noted = Instant::now();
            self.0.ports.writes.send(cmds).await;
            self.0.ports.writes.flush().await;
            self.0.ports.pools.landed(noted);
        }
    }

    fn now_ms(&self) -> i64 {
        self.0.ports.clock.now_ms()
    }

    /// The account as last known, own writes included.
    fn current(&self, entry: &Arc<Entry>) -> Arc<Entry> {
        self.0
            .ports
            .pools
            .with(entry.kind)
            .current()
            .and_then(|snapshot| snapshot.get(entry.kind, &entry.id))
            .unwrap_or_else(|| entry.clone())
    }

    /// The account as it stands now, for settling: the shared snapshot while it is fresh, else its
    /// record read anew. A request may have run for minutes.
    async fn fresh(&self, entry: &Arc<Entry>) -> Arc<Entry> {
        let known = self.current(entry);
        let recent = self.0.ports.pools.with(entry.kind).current();
        if recent.is_some_and(|snapshot| snapshot.started.elapsed() < FRESH) {
            return known;
        }
        // Own writes that are still queued belong to the record, too.
        self.0.ports.writes.flush().await;
        self.read(&known).await.map_or(known, Arc::new)
    }

    /// Changes fields of an account: at once in memory, and as commands for Redis.
    fn patch(&self, entry: &Entry, patch: &Patch) -> Vec<Cmd> {
        if patch.is_empty() {
            return Vec::new();
        }
        self.0.ports.pools.with(entry.kind).apply(entry.kind, &entry.id, patch);
        let mut cmds = vec![patch.cmd(&entry.kind.record_key(&entry.id))];
        if entry.kind == Kind::Official && !entry.indexed {
            cmds.extend(index_repair(entry.kind, &entry.id));
        }
        cmds
    }

    /// Decrypts a secret of an account, remembering the result while the ciphertext stays.
    fn open(&self, entry: &Entry, field: &str) -> Secret {
        let stored = entry.get(field);
        if stored.is_empty() {
            return Secret::default();
        }
        let key = (entry.kind, entry.id.clone());
        let mut opened = self.0.opened.lock();
        if let Some((cipher, secret)) = opened.get(&key)
            && cipher == stored
        {
            return secret.clone();
        }
        let secret = self.decrypt(entry, field);
        if opened.len() >= OPENED_MAX {
            opened.clear();
        }
        opened.insert(key, (stored.to_owned(), secret.clone()));
        secret
    }
}
