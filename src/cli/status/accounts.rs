//! Accounts by kind and state.

use compat::{
    keys::AccountKind,
    record::account::Bedrock,
    store::{Batch, Cmd, RedisStore, Store},
};
use serde_json::{Value, json};

use super::super::Output;

/// Accounts read in one round trip.
const CHUNK: usize = 500;

/// What is read of a record.
const FIELDS: [&str; 3] = ["isActive", "status", "schedulable"];

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
    /// Counts by the index sets, and by the fields that all kinds but Bedrock store their state in.
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
                let bedrock = kind == AccountKind::Bedrock;
                let read = |id: &String| match bedrock {
                    true => Cmd::new("GET").arg(kind.record(id)),
                    false => Cmd::new("HMGET").arg(kind.record(id)).args(FIELDS),
                };
                let reads: Batch = chunk.iter().map(read).collect();
                for reply in store.run(reads).await? {
                    if bedrock {
                        let record = reply.text().ok().flatten();
                        group
                            .count_bedrock(record.and_then(|text| Bedrock::from_stored("", &text)));
                    } else {
                        group.count(&reply.texts().unwrap_or_default());
                    }
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
    /// Bedrock records are one JSON text; only a true `isActive` takes part in scheduling.
    fn count_bedrock(&mut self, record: Option<Bedrock>) {
        let Some(record) =
            record.filter(|record| record.json.get("isActive") == Some(&json!(true)))
        else {
            return;
        };
        self.active += 1;
        self.schedulable += usize::from(record.schedulable());
    }

    fn count(&mut self, fields: &[String]) {
        let field = |at: usize| fields.get(at).map_or("", String::as_str);
        let azure = self.kind == AccountKind::AzureOpenAi;
        // Azure's status is not looked at, and only what is said to be schedulable is.
        let usable = field(0) == "true" && (azure || matches!(field(1), "active" | ""));
        let open = if azure { field(2) == "true" } else { field(2) != "false" };
        self.active += usize::from(usable);
        self.schedulable += usize::from(usable && open);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn azure_takes_exactly_true_and_no_status() {
        let counted = |kind, fields: [&str; 3]| {
            let mut group = Group { kind, total: 1, active: 0, schedulable: 0 };
            group.count(&fields.map(str::to_owned));
            (group.active, group.schedulable)
        };
        let azure = AccountKind::AzureOpenAi;
        assert_eq!(counted(azure, ["true", "error", "true"]), (1, 1));
        assert_eq!(counted(azure, ["true", "active", ""]), (1, 0));
        assert_eq!(counted(AccountKind::OpenAi, ["true", "active", ""]), (1, 1));
        assert_eq!(counted(AccountKind::OpenAi, ["true", "unauthorized", "true"]), (0, 0));
    }

    #[test]
    fn bedrock_records_are_counted_by_their_own_types() {
        let kind = AccountKind::Bedrock;
        let mut group = Group { kind, total: 4, active: 0, schedulable: 0 };
        for record in [
            r#"{"isActive":true}"#,
            r#"{"isActive":true,"schedulable":false}"#,
            r#"{"isActive":"true"}"#,
            "no record",
        ] {
            group.count_bedrock(Bedrock::from_stored("", record));
        }
        assert_eq!((group.active, group.schedulable), (2, 1));
    }
}
