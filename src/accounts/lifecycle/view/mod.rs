//! Accounts as they are shown: the admin API's list items, without what their use adds up to. Secrets
//! are left out; of a login it is only said whether there is a refresh token.

mod azure;
mod bedrock;
mod chatgpt;
mod claude;
mod console;
mod responses;

use compat::{
    keys::{self, AccountKind},
    pool::{Fields, Kind, bedrock_order},
    store::{Batch, Cmd},
};
use serde_json::{Map, Value, json};

use super::AccountAdmin;
use crate::domain::{Declined, Failure};

pub(super) use claude::{claude_usage, is_full_login};

/// One account of a list.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Kind.
    pub kind: Kind,
    /// The admin API's list item, without `usage`.
    pub item: Value,
}

impl Shown {
    /// A text of the item.
    pub fn text(&self, name: &str) -> &str {
        self.item.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

/// What a list item is made of.
struct Seen<'a> {
    id: &'a str,
    fields: &'a Fields,
    now_ms: i64,
}

impl Seen<'_> {
    fn get(&self, field: &str) -> &str {
        self.fields.get(field).map_or("", String::as_str)
    }

    fn is(&self, field: &str) -> bool {
        self.get(field) == "true"
    }

    /// The text, or null where there is none.
    fn or_null(&self, field: &str) -> Value {
        match self.get(field) {
            "" => Value::Null,
            text => text.into(),
        }
    }

    /// The text as stored; a field that is missing altogether is left out of the item.
    fn stored(&self, field: &str) -> Option<Value> {
        self.fields.get(field).map(|text| text.as_str().into())
    }
}

/// Collects members, leaving out what is undefined.
#[derive(Default)]
struct Item(Map<String, Value>);

impl Item {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    fn put_stored(&mut self, seen: &Seen<'_>, fields: &[&str]) {
        for field in fields {
            if let Some(value) = seen.stored(field) {
                self.put(field, value);
            }
        }
    }

    /// All fields as they are stored, in order, but for these.
    fn of_record(seen: &Seen<'_>, but: &[&str]) -> Self {
        let mut names: Vec<&str> = seen.fields.keys().map(String::as_str).collect();
        names.retain(|name| !but.contains(name));
        names.sort_unstable();
        let mut item = Self::default();
        item.put_stored(seen, &names);
        item
    }

    /// The three ends under the names that lists give them: `expiresAt` is the subscription's.
    fn finish(mut self, subscription: Value, token: Value) -> Value {
        self.put("subscriptionExpiresAt", subscription.clone());
        self.put("tokenExpiresAt", token);
        self.put("expiresAt", subscription);
        Value::Object(self.0)
    }
}

/// A date that may be missing: blank is null.
fn end(text: &str) -> Value {
    match compat::js::trim(text) {
        text if text.is_empty() => Value::Null,
        text => text.into(),
    }
}

fn json_or_null(text: &str) -> Value {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    if value.is_object() || value.is_array() { value } else { Value::Null }
}

impl AccountAdmin {
    /// Accounts of these kinds, each kind in the order of ids; Bedrock by priority and name.
    ///
    /// # Errors
    /// Redis (500).
    pub async fn list(&self, kinds: &[Kind]) -> Result<Vec<Shown>, Declined> {
        let mut shown = Vec::new();
        for kind in kinds {
            let found = self.list_kind(*kind).await;
            let failed = format!("Failed to get {} accounts", super::label(*kind));
            shown.extend(found.map_err(|error| error.under(&failed))?);
        }
        Ok(shown)
    }

    async fn list_kind(&self, kind: Kind) -> Result<Vec<Shown>, Failure> {
        let ids = self.ids(kind).await?;
        let mut items = Vec::new();
        for id in &ids {
            if let Some(item) = self.item(kind, id).await? {
                items.push(Shown { kind, item });
            }
        }
        self.count_keys(&mut items).await;
        self.tell_cooling(&mut items).await?;
        if kind == Kind::Bedrock {
            let order = &self.0.collation;
            items.sort_by(|a, b| bedrock_order(order, [Some(&a.item), Some(&b.item)]));
        }
        Ok(items)
    }

    /// One account; `None` when there is none of that kind and id.
    pub(super) async fn item(&self, kind: Kind, id: &str) -> Result<Option<Value>, Failure> {
        let now_ms = self.now_ms();
        let mut item = match kind {
            Kind::Bedrock => match self.document(id).await? {
                Some((record, _)) => bedrock::item(&record),
                None => return Ok(None),
            },
            _ => {
                let Some(fields) = self.fields(kind, id).await? else { return Ok(None) };
                let seen = Seen { id, fields: &fields, now_ms };
                match kind {
                    Kind::Official => claude::item(&seen, &self.0.vault),
                    Kind::Console => console::item(&seen, Some(self.tasks(id, now_ms).await?)),
                    Kind::OpenAi => chatgpt::item(&seen, &self.0.vault),
                    Kind::OpenAiResponses if seen.get("id").is_empty() => return Ok(None),
                    Kind::OpenAiResponses => responses::item(&seen),
                    Kind::Azure => azure::item(&seen),
                    Kind::Ccr | Kind::Bedrock => console::item(&seen, None),
                }
            }
        };
        item["groupInfos"] = json!(self.groups_of(id).await?);
        Ok(Some(item))
    }

    /// Adds how many keys are bound to providers; the legacy service shows it of no other kind here.
    async fn count_keys(&self, shown: &mut [Shown]) {
        let mut counts = None;
        for shown in shown.iter_mut().filter(|shown| shown.kind == Kind::OpenAiResponses) {
            if counts.is_none() {
                counts = Some(self.0.bindings.counts(AccountKind::OpenAiResponses).await);
            }
            let count = counts.as_ref().and_then(|counts| counts.get(shown.text("id")));
            shown.item["boundApiKeysCount"] = count.copied().unwrap_or_default().into();
        }
    }

    /// Requests that run on a console account.
    async fn tasks(&self, id: &str, now_ms: i64) -> Result<i64, Failure> {
        let key = keys::console_account_leases(id);
        let running = Cmd::new("ZCOUNT").arg(&key).arg(format!("({now_ms}")).arg("+inf");
        Ok(self.run(Batch::from(running)).await?.pop().map_or(Ok(0), |reply| reply.int())?)
    }

    /// The account with this id, of any kind, or the one with this name.
    ///
    /// # Errors
    /// No such account (404), several of that name (400), or Redis (500).
    pub async fn find(&self, which: &str, kinds: &[Kind]) -> Result<Shown, Declined> {
        for kind in kinds {
            let item = self.item(*kind, which).await;
            let item = item.map_err(|error| error.under("Failed to get account"))?;
            if let Some(item) = item {
                let mut shown = [Shown { kind: *kind, item }];
                self.count_keys(&mut shown).await;
                let told = self.tell_cooling(&mut shown).await;
                told.map_err(|error| error.under("Failed to get account"))?;
                let [shown] = shown;
                return Ok(shown);
            }
        }
        let mut named = self.list(kinds).await?;
        named.retain(|own| own.text("name") == which);
        match named.len() {
            0 => Err(Declined::new(404, "Account not found")),
            1 => named.pop().ok_or_else(|| Declined::new(404, "Account not found")),
            count => {
                let ids: Vec<String> = named
                    .iter()
                    .map(|own| format!("{} ({})", own.text("id"), own.kind.as_str()))
                    .collect();
                Err(Declined::invalid(format!(
                    "{count} accounts have this name; give the id: {}",
                    ids.join(", ")
                )))
            }
        }
    }
}
