//! Finding keys: lists, one by its id, name or secret.

use compat::{
    js, keys, number,
    store::{Batch, Cmd, StoreError},
};
use serde_json::Value;

use super::{KeyAdmin, Record, view::item};
use crate::domain::{Declined, Failure, Secret};

/// From this version on the indexes of keys are complete.
const COMPLETE: i64 = 2;
/// Keys of one name that are told of.
const TOLD: usize = 5;

/// Fields that name an account.
const BINDINGS: [&str; 8] = [
    "claudeAccountId",
    "claudeConsoleAccountId",
    "geminiAccountId",
    "openaiAccountId",
    "azureOpenaiAccountId",
    "bedrockAccountId",
    "droidAccountId",
    "ccrAccountId",
];

/// Which keys a list shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Deleted ones instead of the others.
    pub deleted: bool,
    /// Only with this tag.
    pub tag: Option<String>,
    /// Only active ones, or only others.
    pub active: Option<bool>,
    /// Only with this in their name.
    pub search: Option<String>,
    /// Only bound to one of these: ids as records name them, with `responses:` or `group:` before some.
    pub bound: Option<Vec<String>>,
    /// Order.
    pub order: Order,
}

/// Order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest first.
    #[default]
    Created,
    /// By name.
    Name,
    /// The last used first, those never used last.
    Used,
    /// Those whose life ends first, those without an end last.
    Expires,
}

impl Filter {
    fn takes(&self, record: &Record) -> bool {
        let tags = record.tags.as_ref().and_then(Value::as_array);
        let tagged = |tag: &String| tags.is_some_and(|tags| tags.iter().any(|own| own == tag));
        let named =
            |part: &String| record.get("name").to_lowercase().contains(&part.to_lowercase());
        let bound = |ids: &Vec<String>| {
            BINDINGS.iter().any(|field| ids.iter().any(|id| id == record.get(field)))
        };
        record.is("isDeleted") == self.deleted
            && self.active.is_none_or(|active| record.is("isActive") == active)
            && self.search.as_ref().is_none_or(named)
            && self.tag.as_ref().is_none_or(tagged)
            && self.bound.as_ref().is_none_or(bound)
    }

    fn sort(&self, records: &mut [&Record]) {
        let at = |record: &Record, field: &str| js::date_ms(record.get(field));
        match self.order {
            Order::Created => {
                records.sort_by_key(|record| std::cmp::Reverse(at(record, "createdAt")));
            }
            Order::Name => records.sort_by_cached_key(|record| record.get("name").to_lowercase()),
            Order::Used => {
                records.sort_by_key(|record| std::cmp::Reverse(at(record, "lastUsedAt")));
            }
            Order::Expires => {
                records.sort_by_key(|record| at(record, "expiresAt").unwrap_or(i64::MAX));
            }
        }
    }
}

impl KeyAdmin {
    /// Keys in the order of the filter.
    ///
    /// # Errors
    /// Redis (500).
    pub async fn list(&self, filter: &Filter) -> Result<Vec<Value>, Declined> {
        let records = self.listed().await;
        let records =
            records.map_err(|error| Failure::from(error).under("Failed to get API keys"))?;
        let mut shown: Vec<&Record> =
            records.iter().filter(|record| filter.takes(record)).collect();
        filter.sort(&mut shown);
        Ok(shown.into_iter().map(item).collect())
    }

    /// One key, by its id or its name.
    ///
    /// # Errors
    /// No such key (404), several of that name (400), or Redis (500).
    pub async fn show(&self, which: &str) -> Result<Value, Declined> {
        let id = self.find(which).await?;
        let record = self.record(&id).await;
        let record = record.map_err(|error| Failure::from(error).under("Failed to get API key"))?;
        record.as_ref().map(item).ok_or_else(unknown)
    }

    /// The key that a client sends as `secret`.
    ///
    /// # Errors
    /// No such key (404), or Redis (500).
    pub async fn of_secret(&self, secret: &Secret) -> Result<Value, Declined> {
        let hash = self.hash(secret);
        let found = async {
            let mut asks = Batch::from(Cmd::new("HGET").arg(keys::API_KEY_MAP).arg(&hash));
            asks.push(Cmd::new("HGET").arg(keys::old_api_key_hash(&hash)).arg("id"));
            for reply in self.run(asks).await? {
                let Some(id) = reply.text()? else { continue };
                if let Some(record) = self.record(&id).await? {
                    return Ok(Some(record));
                }
            }
            // A deleted key is in no lookup, but keeps its hash.
            let records = self.listed().await?;
            Ok(records.into_iter().find(|record| record.get("apiKey") == hash))
        };
        let found: Result<Option<Record>, StoreError> = found.await;
        let found = found.map_err(|error| Failure::from(error).under("Failed to get API key"))?;
        found.as_ref().map(item).ok_or_else(unknown)
    }

    /// Id of the key with this id or, if there is none, this name.
    ///
    /// # Errors
    /// No such key (404), several of that name (400), or Redis (500).
    pub async fn find(&self, which: &str) -> Result<String, Declined> {
        self.find_among(which, false).await
    }

    /// The same for a key that was deleted, or that is meant to be: deleted ones come first.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub async fn find_deleted(&self, which: &str) -> Result<String, Declined> {
        self.find_among(which, true).await
    }

    async fn find_among(&self, which: &str, deleted: bool) -> Result<String, Declined> {
        let failed = |error| Failure::from(error).under("Failed to get API key");
        if !which.contains(':') && self.record(which).await.map_err(failed)?.is_some() {
            return Ok(which.to_owned());
        }
        let mut records = self.listed().await.map_err(failed)?;
        records.retain(|record| record.get("name") == which);
        let likely = |record: &Record| record.is("isDeleted") == deleted;
        if records.iter().any(likely) {
            records.retain(likely);
        }
        match records.as_slice() {
            [record] => Ok(record.id.clone()),
            [] => Err(unknown()),
            several => {
                let mut ids: Vec<String> = several
                    .iter()
                    .take(TOLD)
                    .map(|record| format!("{} (made {})", record.id, record.get("createdAt")))
                    .collect();
                ids.extend((several.len() > TOLD).then(|| "…".to_owned()));
                Err(Declined::invalid(format!(
                    "{} keys have this name; give the id: {}",
                    several.len(),
                    ids.join(", ")
                )))
            }
        }
    }

    /// All records that the index knows, where it is complete; else every record there is.
    async fn listed(&self) -> Result<Vec<Record>, StoreError> {
        let mut asks = Batch::from(Cmd::new("GET").arg(keys::API_KEY_INDEX_VERSION));
        asks.push(Cmd::new("SMEMBERS").arg(keys::API_KEYS_ALL));
        let mut replies = self.run(asks).await?.into_iter();
        let version = replies.next().map(|reply| reply.text()).transpose()?.flatten();
        let ids = replies.next().map(|reply| reply.texts()).transpose()?.unwrap_or_default();
        let version = version.and_then(|version| number::parse_int(&version));
        if version.is_none_or(|version| version < COMPLETE) || ids.is_empty() {
            return self.records().await;
        }
        self.records_of(&ids).await
    }
}

fn unknown() -> Declined {
    Declined::new(404, "API key not found")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use compat::{
        clock::Clock,
        memory::{EmptyBase, Memory},
        store::Store,
    };
    use serde_json::json;

    use super::*;
    use crate::keys::manage::KeyAdminSettings;

    async fn room() -> (KeyAdmin, Arc<Memory>) {
        let store = Arc::new(Memory::new(Arc::new(EmptyBase), Clock::manual(1_000_000)));
        let settings = KeyAdminSettings {
            prefix: "cr_".into(),
            encryption_key: Secret::from("0123456789abcdef0123456789abcdef"),
            looks: Vec::new(),
        };
        let keys = KeyAdmin::new(store.clone(), Clock::manual(1_000_000), settings);
        (keys, store)
    }

    async fn make(keys: &KeyAdmin, body: Value) -> (String, Secret) {
        let made = keys.create(&body).await.unwrap();
        let text = |name: &str| made["data"][name].as_str().unwrap().to_owned();
        (text("id"), Secret::from(text("apiKey")))
    }

    #[tokio::test]
    async fn keys_of_one_name_are_told_of_and_deleted_ones_come_last() {
        let (keys, _) = room().await;
        let (first, _) = make(&keys, json!({ "name": "A" })).await;
        let (second, _) = make(&keys, json!({ "name": "A" })).await;
        let several = keys.find("A").await.unwrap_err().to_string();
        assert!(several.contains(&first) && several.contains(&second), "{several}");
        keys.delete(&first, "me").await.unwrap();
        assert_eq!(keys.find("A").await.unwrap(), second);
        assert_eq!(keys.find_deleted("A").await.unwrap(), first);
        assert_eq!(keys.find("B").await.unwrap_err().status, 404);
    }

    #[tokio::test]
    async fn a_secret_leads_to_its_key_even_when_that_is_deleted() {
        let (keys, _) = room().await;
        let (id, secret) = make(&keys, json!({ "name": "A" })).await;
        let shown = keys.of_secret(&secret).await.unwrap();
        assert_eq!((shown["id"].as_str(), shown.get("apiKey")), (Some(id.as_str()), None));
        keys.delete(&id, "me").await.unwrap();
        assert_eq!(keys.of_secret(&secret).await.unwrap()["isDeleted"], true);
        assert_eq!(keys.of_secret(&Secret::from("cr_x")).await.unwrap_err().status, 404);
    }

    #[tokio::test]
    async fn lists_are_sorted_and_filtered_by_account() {
        let (keys, store) = room().await;
        let end = |at: &str, name: &str| json!({ "name": name, "expiresAt": at });
        make(&keys, end("2030-01-01", "b")).await;
        make(&keys, json!({ "name": "a", "openaiAccountId": "responses:x" })).await;
        make(&keys, end("Jan 1 2029", "C")).await;
        let names = async |filter: Filter| -> Vec<String> {
            let shown = keys.list(&filter).await.unwrap();
            shown.iter().map(|key| key["name"].as_str().unwrap().to_owned()).collect()
        };
        let by = |order| Filter { order, ..Filter::default() };
        assert_eq!(names(by(Order::Name)).await, ["a", "b", "C"]);
        assert_eq!(names(by(Order::Expires)).await, ["C", "b", "a"]);
        let bound = Some(vec!["responses:x".to_owned(), "group:g".to_owned()]);
        assert_eq!(names(Filter { bound, ..Filter::default() }).await, ["a"]);
        // The complete index is believed, as the legacy service does.
        store.run(Cmd::new("SET").arg(keys::API_KEY_INDEX_VERSION).arg("2").into()).await.unwrap();
        assert_eq!(names(by(Order::Name)).await, ["a", "b", "C"]);
        store.run(Cmd::new("DEL").arg(keys::API_KEYS_ALL).into()).await.unwrap();
        assert_eq!(names(by(Order::Name)).await, ["a", "b", "C"]);
    }
}
