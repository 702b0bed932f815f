//! Accounts by kind and state.

use compat::{
    keys::AccountKind,
    store::{Batch, Cmd, RedisStore, Store},
};
use serde_json::{Value, json};

use super::super::Output;

/// Accounts read in one round trip.
const CHUNK: usize = 500;

/// Accounts of one kind.
struct Group {
    kind: AccountKind,
    total: usize,
    /// `isActive` is true and the status is `active`.
    active: usize,
    /// Active and open to the scheduler.
    schedulable: usize,
}

/// All kinds that have accounts.
pub(super) struct Accounts(Vec<Group>);

impl Accounts {
    /// Counts by the index sets; only Claude kinds store their state in hash fields read here.
    pub(super) async fn read(store: &RedisStore) -> anyhow::Result<Self> {
        let mut batch = Batch::new();
        for kind in AccountKind::ALL {
            batch.push(Cmd::new("SMEMBERS").arg(kind.index()));
        }
        let mut groups = Vec::new();
        for (kind, reply) in AccountKind::ALL.into_iter().zip(store.run(batch).await?) {
            let ids = reply.texts().unwrap_or_default();
            if ids.is_empty() {
                continue;
            }
            let mut group = Group { kind, total: ids.len(), active: 0, schedulable: 0 };
            for chunk in ids.chunks(CHUNK) {
                let reads: Batch = chunk
                    .iter()
                    .map(|id| {
                        Cmd::new("HMGET").arg(kind.record(id)).args([
                            "isActive",
                            "status",
                            "schedulable",
                        ])
                    })
                    .collect();
                for reply in store.run(reads).await? {
                    group.count(&reply.texts().unwrap_or_default());
                }
            }
            groups.push(group);
        }
        Ok(Self(groups))
    }

    pub(super) fn show(&self, output: &Output) {
        if self.0.is_empty() {
            output.line("accounts  none");
        }
        for (place, group) in self.0.iter().enumerate() {
            let label = if place == 0 { "accounts" } else { "" };
            output.line(&format!(
                "{label:<9} {}: {} of {} active, {} open to scheduling",
                group.kind.as_str(),
                group.active,
                group.total,
                group.schedulable
            ));
        }
    }

    pub(super) fn to_json(&self) -> Value {
        self.0
            .iter()
            .map(|group| {
                json!({
                    "kind": group.kind.as_str(),
                    "total": group.total,
                    "active": group.active,
                    "schedulable": group.schedulable,
                })
            })
            .collect()
    }
}

impl Group {
    fn count(&mut self, fields: &[String]) {
        let field = |at: usize| fields.get(at).map_or("", String::as_str);
        let usable = field(0) == "true" && matches!(field(1), "active" | "");
        self.active += usize::from(usable);
        self.schedulable += usize::from(usable && field(2) != "false");
    }
}
