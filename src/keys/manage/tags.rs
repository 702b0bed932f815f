//! Tags of keys, and the list of all tags.

use std::collections::BTreeSet;

use compat::{
    api_key_index, js, keys,
    store::{Batch, Cmd},
};
use serde_json::{Value, json};

use super::{KeyAdmin, Record, form::Body, remove::named};
use crate::domain::{Declined, Failure};

impl KeyAdmin {
    /// All tags, in order.
    ///
    /// # Errors
    /// Redis (500).
    pub async fn tags(&self) -> Result<Value, Declined> {
        let tags = self.all_tags().await;
        let tags = tags.map_err(|error| error.under("Failed to get API key tags"))?;
        Ok(json!({ "success": true, "data": tags }))
    }

    /// Each tag with the number of keys that carry it, the most carried first.
    ///
    /// # Errors
    /// Redis (500).
    pub async fn tag_counts(&self) -> Result<Value, Declined> {
        let counted = self.count_tags().await;
        let counted = counted.map_err(|error| error.under("Failed to get tag details"))?;
        Ok(json!({ "success": true, "data": counted }))
    }

    async fn all_tags(&self) -> Result<BTreeSet<String>, Failure> {
        let listed = self.listed_tags().await?;
        let tags = listed.iter().map(|tag| js::trim(tag)).filter(|tag| !tag.is_empty());
        let tags: BTreeSet<String> = tags.collect();
        if !tags.is_empty() {
            return Ok(tags);
        }
        // A list that was never made.
        let records = self.records().await?;
        let carried = records.iter().filter(|record| !record.is("isDeleted")).flat_map(tags_of);
        Ok(carried.map(js::trim).filter(|tag| !tag.is_empty()).collect())
    }

    async fn listed_tags(&self) -> Result<Vec<String>, Failure> {
        Ok(self.one(Cmd::new("SMEMBERS").arg(keys::API_KEY_TAGS)).await?.texts()?)
    }

    async fn count_tags(&self) -> Result<Vec<Value>, Failure> {
        let mut counts: Vec<(String, usize)> = Vec::new();
        let mut count = |tag: &str, by: usize| {
            let tag = js::trim(tag);
            match counts.iter_mut().find(|(name, _)| *name == tag) {
                _ if tag.is_empty() => {}
                Some((_, count)) => *count += by,
                None => counts.push((tag, by)),
            }
        };
        let records = self.records().await?;
        for record in records.iter().filter(|record| !record.is("isDeleted")) {
            tags_of(record).for_each(|tag| count(tag, 1));
        }
        self.listed_tags().await?.iter().for_each(|tag| count(tag, 0));
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Ok(counts.into_iter().map(|(name, count)| json!({"name": name, "count": count})).collect())
    }

    /// Adds a tag to the list, so that it can be chosen.
    ///
    /// # Errors
    /// No name or a known one (400), or Redis (500).
    pub async fn create_tag(&self, name: &str) -> Result<Value, Declined> {
        if !named(name) {
            return Err(Declined::invalid("标签名称不能为空"));
        }
        let name = js::trim(name);
        let add = async {
            if self.all_tags().await?.contains(&name) {
                return Err(Declined::invalid("标签已存在").into());
            }
            self.run(Cmd::new("SADD").arg(keys::API_KEY_TAGS).arg(&name)).await?;
            Ok(())
        };
        add.await.map_err(|error: Failure| error.under("Failed to create tag"))?;
        Ok(json!({ "success": true, "message": "标签创建成功" }))
    }

    /// Takes a tag from all keys and off the list.
    ///
    /// # Errors
    /// No name (400), or what failed (500).
    pub async fn delete_tag(&self, name: &str) -> Result<Value, Declined> {
        if name.is_empty() {
            return Err(Declined::invalid("Tag name is required"));
        }
        let count = self.retag(name, None).await;
        let (count, _) = count.map_err(|error| error.under("Failed to delete tag"))?;
        Ok(json!({
            "success": true,
            "message": format!("Tag \"{name}\" removed from {count} API keys"),
            "affectedCount": count,
        }))
    }

    /// Renames a tag on all keys and on the list.
    ///
    /// # Errors
    /// No name or an unknown one (400), or what failed (500).
    pub async fn rename_tag(&self, old: &str, new: &str) -> Result<Value, Declined> {
        if old.is_empty() || !named(new) {
            return Err(Declined::invalid("Tag name and new name are required"));
        }
        if !named(old) {
            return Err(Declined::invalid("旧标签名不能为空"));
        }
        let new = js::trim(new);
        let done = self.retag(old, Some(&new)).await;
        let (count, known) = done.map_err(|error| error.under("Failed to rename tag"))?;
        if !known {
            return Err(Declined::invalid("标签不存在"));
        }
        Ok(json!({
            "success": true,
            "message": format!("Tag renamed in {count} API keys"),
            "affectedCount": count,
        }))
    }

    /// Takes a tag away, or puts another in its place: on how many keys, and whether it was known.
    async fn retag(&self, old: &str, new: Option<&str>) -> Result<(usize, bool), Failure> {
        let wanted = js::trim(old);
        if wanted.is_empty() {
            return Ok((0, false));
        }
        let is_it = |tag: &str| js::trim(tag) == wanted;
        let mut count = 0;
        let records = self.records().await?;
        for record in records.iter().filter(|record| !record.is("isDeleted")) {
            let tags: Vec<&str> = tags_of(record).collect();
            if !tags.iter().any(|tag| is_it(tag)) {
                continue;
            }
            let mut after: Vec<&str> = Vec::new();
            for tag in tags {
                match (is_it(tag), new) {
                    (true, None) => {}
                    (true, Some(new)) if after.contains(&new) => {}
                    (true, Some(new)) => after.push(new),
                    (false, Some(_)) if after.contains(&tag) => {}
                    (false, _) => after.push(tag),
                }
            }
            self.change(record, &Body::from_iter([("tags".to_owned(), json!(after))])).await?;
            count += 1;
        }
        let known = count > 0 || self.listed_tags().await?.iter().any(|tag| is_it(tag));
        if new.is_some() && !known {
            return Ok((0, false));
        }
        let mut batch = Batch::new();
        batch.push(api_key_index::forget_tag(&wanted));
        batch.push(api_key_index::forget_tag(old));
        if let Some(new) = new {
            batch.push(Cmd::new("SADD").arg(keys::API_KEY_TAGS).arg(new));
        }
        self.run(batch).await?;
        Ok((count, known))
    }
}

/// Texts among a key's tags.
fn tags_of(record: &Record) -> impl Iterator<Item = &str> {
    let tags = record.tags.as_ref().and_then(Value::as_array).map(Vec::as_slice);
    tags.unwrap_or_default().iter().filter_map(Value::as_str)
}
