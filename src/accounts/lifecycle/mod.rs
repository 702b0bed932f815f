//! Making, changing, testing and deleting accounts, with exactly the records, indexes, groups and side
//! effects that the legacy admin API leaves (contract/admin-api.md §5, anthropic.md §9, redis.md §b).
//! The command line and the admin API both stand on this.
//!
//! Every operation takes a request body in the admin API's form and gives its answer. `form` holds what
//! may be sent and what is stored (pure), `login` the vendor's OAuth, `view` what is shown; the rest is
//! order of commands. Single fields are written, never a whole record, and a change that a stale write
//! of another process undoes is made again. `openai` is that family's own way of all this.

mod create;
mod delete;
mod form;
mod groups;
mod login;
mod openai;
mod poll;
mod probe;
mod readable;
mod refresh;
mod state;
mod trouble;
mod update;
mod view;

use std::{collections::HashMap, sync::Arc, time::Duration};

use compat::{
    clock::{Clock, LocalCalendar},
    crypto::Vault,
    hold::Held,
    keys::AccountKind,
    pool::{Entry, Fields, Kind, Patch, replace_text},
    store::{Batch, Cmd, Reply, Store, StoreError},
};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::Accounts;
use crate::{
    domain::{AccountId, Anomaly, AnomalySink, Failure},
    upstream::Sender,
};

pub use login::Login;
pub use probe::{DEFAULT_MODEL, Told, default_model};
pub use readable::Readable;
pub use view::Shown;

/// The API keys that are bound to accounts.
pub trait Bindings: Send + Sync {
    /// Frees those of an account, which is deleted, and tells how many there were.
    fn unbind<'a>(&'a self, kind: AccountKind, account_id: &'a str) -> BoxFuture<'a, usize>;
    /// How many are bound to each account of a kind; none where they cannot be read.
    fn counts(&self, kind: AccountKind) -> BoxFuture<'_, HashMap<String, usize>>;
}

/// Everything that administration of accounts reaches the world through.
pub struct AdminPorts {
    /// Accounts at work: token refresh.
    pub accounts: Accounts,
    /// Redis.
    pub store: Arc<dyn Store>,
    /// Vendors.
    pub sender: Arc<dyn Sender>,
    /// Stored secrets.
    pub vault: Vault,
    /// Time.
    pub clock: Clock,
    /// The operator's calendar.
    pub calendar: LocalCalendar,
    /// API keys bound to accounts.
    pub bindings: Arc<dyn Bindings>,
    /// Where operators hear of state changes.
    pub anomalies: Arc<dyn AnomalySink>,
    /// Pauses after which a change is looked at again, see [`compat::hold`].
    pub looks: Vec<Duration>,
    /// Order of names in lists.
    pub collation: js::Collation,
    /// Longest silence of a vendor during a test (`REQUEST_TIMEOUT`).
    pub request_timeout: Duration,
    /// `CLAUDE_API_VERSION`.
    pub api_version: String,
    /// Requests to Bedrock.
    pub bedrock: crate::platform::bedrock::Settings,
}

/// Administration of accounts. Cheap to clone.
#[derive(Clone)]
pub struct AccountAdmin(Arc<AdminPorts>);

/// Tries to replace a record that others write, too.
const REPLACE_TRIES: usize = 8;

impl AccountAdmin {
    /// Administration over these ports.
    pub fn new(ports: AdminPorts) -> Self {
        Self(Arc::new(ports))
    }

    fn now_ms(&self) -> i64 {
        self.0.clock.now_ms()
    }

    async fn run(&self, batch: impl Into<Batch>) -> Result<Vec<Reply>, StoreError> {
        self.0.store.run(batch.into()).await
    }

    async fn one(&self, cmd: Cmd) -> Result<Reply, StoreError> {
        self.run(cmd).await?.pop().ok_or_else(|| StoreError::Shape("no reply".into()))
    }

    fn made<'a>(&'a self, id: &'a str, today: &'a str, now_ms: i64) -> form::Made<'a> {
        form::Made { id, now_ms, today, vault: &self.0.vault }
    }

    /// Fields of a record that is a hash; `None` when there is none.
    async fn fields(&self, kind: Kind, id: &str) -> Result<Option<Fields>, StoreError> {
        let fields = self.one(Cmd::new("HGETALL").arg(kind.record_key(id))).await?.map()?;
        Ok((!fields.is_empty()).then_some(fields))
    }

    /// A Bedrock record and the text it was read from; `None` when there is none.
    async fn document(&self, id: &str) -> Result<Option<(Map<String, Value>, String)>, Failure> {
        let stored = self.one(Cmd::new("GET").arg(Kind::Bedrock.record_key(id))).await?.text()?;
        let Some(stored) = stored.filter(|stored| !stored.is_empty()) else { return Ok(None) };
        let record: Map<String, Value> = serde_json::from_str(&stored)?;
        Ok(Some((record, stored)))
    }

    async fn replace_document(
        &self,
        id: &str,
        change: impl Fn(&Map<String, Value>) -> Map<String, Value>,
    ) -> Result<(), Failure> {
        let key = Kind::Bedrock.record_key(id);
        for _ in 0..REPLACE_TRIES {
            let Some((record, stored)) = self.document(id).await? else {
                return Err(Failure::fault("Account not found"));
            };
            let text = Value::Object(change(&record)).to_string();
            if self.one(replace_text(&key, &stored, &text)).await?.int()? == 1 {
                return Ok(());
            }
        }
        Err(Failure::fault("the record is being written by somebody else; try again"))
    }

    /// Writes a change of a record that is a hash, then what goes with it, and sees to it that it stays.
    async fn write(
        &self,
        kind: Kind,
        id: &str,
        before: &Fields,
        patch: &Patch,
        with: Vec<Cmd>,
    ) -> Result<(), Failure> {
        let key = kind.record_key(id);
        if self.one(patch.cmd(&key)).await?.int()? == 0 {
            return Err(Failure::fault("Account not found"));
        }
        if !with.is_empty() {
            self.run(with.iter().cloned().collect::<Batch>()).await?;
        }
        let held = Held { key: &key, patch, before, also: &with };
        held.watch(self.0.store.as_ref(), &self.0.looks).await?;
        Ok(())
    }

    /// What every save of an official account does to its index.
    fn index_again(kind: Kind, id: &str) -> Vec<Cmd> {
        vec![
            Cmd::new("SADD").arg(kind.index_key()).arg(id),
            Cmd::new("DEL").arg(compat::keys::empty_marker(kind.index_key())),
        ]
    }

    fn entry(kind: Kind, id: &str, fields: Fields) -> Arc<Entry> {
        Arc::new(Entry::of_record(kind, id, fields))
    }

    fn report(
        &self,
        id: &str,
        name: &str,
        platform: &'static str,
        status: &'static str,
        code: &'static str,
        reason: &str,
    ) {
        self.0.anomalies.report(Anomaly {
            account_id: AccountId::from(id),
            account_name: name.to_owned(),
            platform,
            status,
            code,
            reason: reason.to_owned(),
            details: None,
            at_ms: self.now_ms(),
        });
    }
}

/// The set of accounts that any key may use, for kinds that have one.
fn shared_set(kind: Kind) -> Option<&'static str> {
    kind.account_kind().shared()
}

/// What the admin API calls the kind in its messages.
fn label(kind: Kind) -> &'static str {
    match kind {
        Kind::Official => "Claude",
        Kind::Console => "Claude Console",
        Kind::Ccr => "CCR",
        Kind::Bedrock => "Bedrock",
        Kind::OpenAi => "OpenAI",
        Kind::OpenAiResponses => "OpenAI-Responses",
        Kind::Azure => "Azure OpenAI",
    }
}

fn members(body: &Value) -> form::Body {
    body.as_object().cloned().unwrap_or_default()
}
