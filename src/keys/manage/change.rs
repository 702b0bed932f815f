//! Changes of keys.

use compat::{api_key_index::IndexChange, clock::iso, js, keys, pool::Patch, store::Cmd};
use serde_json::{Value, json};

use super::{
    KeyAdmin, Record,
    form::{self, Body, Expiry, Owner, TagChange},
    make::members,
};
use crate::domain::{Declined, Failure};

/// Longest distance from 1970 that JavaScript knows.
const MOST_MS: i64 = 8_640_000_000_000_000;

/// A change that was made.
#[derive(Debug)]
pub struct Changed {
    /// The admin API's answer.
    pub answer: Value,
    /// Keys whose weekly cost starts on another day or hour now: it has to be added up anew from what
    /// was recorded per day.
    pub weekly: Vec<String>,
}

impl KeyAdmin {
    /// Changes a key.
    ///
    /// # Errors
    /// What is wrong with the body (400), or what failed (500).
    pub async fn update(&self, id: &str, body: &Value) -> Result<Changed, Declined> {
        let mut update = form::update(&members(body), self.now_ms())?;
        if let Some(Owner::User(user)) = &update.owner {
            let name = self.owner(user).await?;
            update.values.insert("userId".to_owned(), user.as_str().into());
            update.values.insert("userUsername".to_owned(), name.clone());
            update.values.insert("createdBy".to_owned(), name);
        }
        let done = self.apply(id, &update.values).await;
        done.map_err(|error| error.under("Failed to update API key"))?;
        let weekly = update.weekly_reset.then(|| id.to_owned()).into_iter().collect();
        let answer = json!({ "success": true, "message": "API key updated successfully" });
        Ok(Changed { answer, weekly })
    }

    /// Name of the user who shall own a key.
    async fn owner(&self, id: &str) -> Result<Value, Declined> {
        let unreadable = || Declined::invalid("Invalid owner ID");
        let stored = self.one(Cmd::new("GET").arg(keys::user(id))).await;
        let stored = stored.and_then(compat::store::Reply::text).map_err(|_| unreadable())?;
        let Some(stored) = stored.filter(|stored| !stored.is_empty()) else {
            return Err(Declined::invalid("Invalid owner: User not found"));
        };
        let user: Value = serde_json::from_str(&stored).map_err(|_| unreadable())?;
        if user.is_null() {
            return Err(Declined::invalid("Invalid owner: User not found"));
        }
        if !js::truthy(user.get("isActive")) {
            return Err(Declined::invalid("Cannot assign to inactive user"));
        }
        Ok(user.get("username").cloned().unwrap_or_default())
    }

    /// Changes many keys: the same fields for all, and their tags.
    ///
    /// # Errors
    /// What is wrong with the body (400). What went wrong with single keys is part of the answer.
    pub async fn update_many(&self, body: &Value) -> Result<Changed, Declined> {
        let batch = form::batch(&members(body))?;
        let resets = ["weeklyResetDay", "weeklyResetHour"];
        let resets = resets.iter().any(|name| batch.values.contains_key(*name));
        let (mut done, mut errors, mut weekly) = (0, Vec::new(), Vec::new());
        for id in batch.ids.iter().map(js::text) {
            match self.change_one(&id, &batch).await {
                Ok(true) => {
                    done += 1;
                    weekly.extend(resets.then_some(id));
                }
                Ok(false) => errors.push(format!("API key {id} not found")),
                Err(error) => {
                    let body = error.under("").body;
                    let why = body.get("message").and_then(Value::as_str).unwrap_or_default();
                    errors.push(format!("Failed to update key {id}: {why}"));
                }
            }
        }
        let answer = json!({
            "success": true,
            "message": "批量编辑完成",
            "data": { "successCount": done, "failedCount": errors.len(), "errors": errors },
        });
        Ok(Changed { answer, weekly })
    }

    /// `false` when there is no such key.
    async fn change_one(&self, id: &str, batch: &form::Batch) -> Result<bool, Failure> {
        let Some(record) = self.record(id).await? else { return Ok(false) };
        let mut values = batch.values.clone();
        if let Some(droid) = values.get_mut("droidAccountId")
            && !js::truthy(Some(droid))
        {
            *droid = "".into();
        }
        if let Some(change) = &batch.tags {
            values.insert("tags".to_owned(), tags_after(&record, change)?);
        }
        self.change(&record, &values).await?;
        Ok(true)
    }

    /// Activates a key, or sets or lifts the end of its life.
    ///
    /// # Errors
    /// An unknown key (404), an impossible change (400), or what failed (500).
    pub async fn set_expiry(&self, id: &str, body: &Value) -> Result<Value, Declined> {
        let done = self.expire(id, &members(body)).await;
        let values = done.map_err(|error| error.under("Failed to update API key expiration"))?;
        let message = "API key expiration updated successfully";
        Ok(json!({ "success": true, "message": message, "updates": values }))
    }

    async fn expire(&self, id: &str, body: &Body) -> Result<Body, Failure> {
        let Some(record) = self.record(id).await? else {
            return Err(Declined::new(404, "API key not found").into());
        };
        let state = Expiry {
            mode: record.get("expirationMode"),
            activated: record.is("isActivated"),
            days: record.get("activationDays"),
        };
        let values = form::expiry(body, &state, self.now_ms())?;
        self.change(&record, &values).await?;
        Ok(values)
    }

    /// Lengthens a key's life from its end, or from now when that has passed or there is none. `amount` of
    /// `unit`: hours, days or months of thirty days.
    ///
    /// # Errors
    /// No positive amount (400), an unknown key, an end that is no date, or what failed (500).
    pub async fn extend(&self, id: &str, body: &Value) -> Result<Value, Declined> {
        let amount = body.get("amount");
        if !js::truthy(amount) || js::number(amount) <= 0.0 {
            return Err(Declined::invalid("amount must be a positive number").unsuccessful());
        }
        let unit = body.get("unit").map(js::text);
        let amount = js::field(amount);
        let done = self.lengthen(id, &amount, unit.as_deref()).await;
        let data = done.map_err(|error| {
            let why = error.under("").body.shift_remove("message").unwrap_or_default();
            Declined::new(500, js::text(&why)).unsuccessful()
        })?;
        Ok(json!({ "success": true, "data": data }))
    }

    async fn lengthen(&self, id: &str, amount: &str, unit: Option<&str>) -> Result<Value, Failure> {
        let record = self.known(id).await?;
        let now = self.now_ms();
        let before = record.get("expiresAt");
        let from = if before.is_empty() { Some(now) } else { js::date_ms(before) };
        let hours = match unit {
            Some("hours") => 1,
            Some("months") => 30 * 24,
            _ => 24,
        };
        let more = js::parse_int(amount).and_then(|amount| amount.checked_mul(hours * 3_600_000));
        let end = from.and_then(|from| from.max(now).checked_add(more?));
        let end = end.filter(|end| end.abs() <= MOST_MS);
        let end = iso(end.ok_or_else(|| Failure::fault("Invalid time value"))?);
        let values = Body::from_iter([("expiresAt".to_owned(), end.as_str().into())]);
        self.change(&record, &values).await?;
        Ok(json!({ "success": true, "previousExpiresAt": before, "newExpiresAt": end }))
    }

    /// What `updateApiKey` of the legacy service does with values by field.
    pub(super) async fn apply(&self, id: &str, values: &Body) -> Result<(), Failure> {
        let record = self.known(id).await?;
        self.change(&record, values).await
    }

    pub(super) async fn change(&self, record: &Record, values: &Body) -> Result<(), Failure> {
        let mut patch = Patch::new();
        for (field, value) in values {
            if let Some(text) = form::record_text(field, value) {
                patch = patch.set(field.clone(), text);
            }
        }
        patch = patch.set("updatedAt", iso(self.now_ms()));
        let hash = record.get("apiKey");
        let mut with = Vec::new();
        if !hash.is_empty() {
            with.push(Cmd::new("HSET").arg(keys::API_KEY_MAP).arg(hash).arg(&record.id));
        }
        let name = values.get("name").map(|name| js::field(Some(name)));
        let on = |name: &str| js::given(values.get(name)).map(|value| js::text(value) == "true");
        let none = json!([]);
        let tags = values.get("tags").map(|tags| if tags.is_array() { tags } else { &none });
        let change =
            IndexChange { name: name.as_deref(), active: on("isActive"), deleted: None, tags };
        // A switch that was sent as null still makes the state be written anew.
        let change = match values.get("isActive") {
            Some(Value::Null) => IndexChange { active: Some(record.is("isActive")), ..change },
            _ => change,
        };
        self.write(record, &patch, with, change).await
    }
}

/// Tags of a key after a change of its tags.
fn tags_after(record: &Record, change: &TagChange) -> Result<Value, Failure> {
    let (TagChange::Add(sent) | TagChange::Remove(sent)) = change else {
        let TagChange::Replace(sent) = change else { return Ok(json!([])) };
        return Ok(sent.clone());
    };
    let now = record.tags.clone().ok_or_else(|| Failure::fault("stored tags are not JSON"))?;
    let mut now = now.as_array().cloned().unwrap_or_default();
    let sent = sent.as_array().cloned().unwrap_or_default();
    match change {
        TagChange::Remove(_) => now.retain(|tag| !sent.contains(tag)),
        _ => {
            for tag in sent {
                if !now.contains(&tag) {
                    now.push(tag);
                }
            }
        }
    }
    Ok(Value::Array(now))
}
