//! Groups of accounts: the groups themselves, and who is in them.

use std::collections::HashMap;

use compat::{
    clock::iso,
    js, keys,
    pool::Kind,
    store::{Batch, Cmd},
};
use serde_json::{Value, json};

use super::{AccountAdmin, Shown, form::Grouping, members};
use crate::domain::{Declined, Failure};

/// Platforms that have groups.
const PLATFORMS: [&str; 4] = ["claude", "gemini", "openai", "droid"];

impl AccountAdmin {
    /// Brings an account into its groups.
    pub(super) async fn join(
        &self,
        id: &str,
        grouping: Grouping,
        platform: &str,
    ) -> Result<(), Failure> {
        match grouping {
            Grouping::AsItIs => {}
            Grouping::None => self.forget_groups(id).await?,
            Grouping::With(group) => self.join_one(id, &group, platform).await?,
            Grouping::Exactly(groups) => {
                self.forget_groups(id).await?;
                for group in &groups {
                    self.join_one(id, group, platform).await?;
                }
            }
        }
        Ok(())
    }

    async fn join_one(&self, id: &str, group_id: &str, platform: &str) -> Result<(), Failure> {
        let group = self.one(Cmd::new("HGETALL").arg(keys::group(group_id))).await?.map()?;
        if group.is_empty() {
            return Err(Failure::fault("分组不存在"));
        }
        let platform = if platform == "claude-console" { "claude" } else { platform };
        let own = group.get("platform").map_or("", String::as_str);
        if own != platform {
            return Err(Failure::fault("账户平台与分组平台不匹配"));
        }
        let mut batch = Batch::atomic();
        batch.push(Cmd::new("SADD").arg(keys::group_members(group_id)).arg(id));
        batch.push(Cmd::new("SADD").arg(keys::groups_of_account(own, id)).arg(group_id));
        self.run(batch).await?;
        Ok(())
    }

    /// Takes an account out of every group, by the list of all groups.
    pub(super) async fn forget_groups(&self, id: &str) -> Result<(), Failure> {
        let groups = self.one(Cmd::new("SMEMBERS").arg(keys::GROUPS)).await?.texts()?;
        let mut batch = Batch::atomic();
        for group in &groups {
            batch.push(Cmd::new("SREM").arg(keys::group_members(group)).arg(id));
        }
        for platform in PLATFORMS {
            batch.push(Cmd::new("DEL").arg(keys::groups_of_account(platform, id)));
        }
        self.run(batch).await?;
        Ok(())
    }

    /// What a change of type does to the groups of the old type.
    pub(super) async fn leave_all(&self, kind: Kind, id: &str) -> Result<(), Failure> {
        if kind == Kind::Official {
            return self.forget_groups(id).await;
        }
        self.leave_each(id).await
    }

    /// Takes an account out of each group that names it.
    pub(super) async fn leave_each(&self, id: &str) -> Result<(), Failure> {
        let mut batch = Batch::new();
        for group in self.groups_of(id).await? {
            let text = |name: &str| group.get(name).and_then(Value::as_str).unwrap_or_default();
            let group_id = text("id");
            batch.push(Cmd::new("SREM").arg(keys::group_members(group_id)).arg(id));
            let reverse = keys::groups_of_account(text("platform"), id);
            batch.push(Cmd::new("SREM").arg(reverse).arg(group_id));
        }
        if !batch.is_empty() {
            self.run(batch).await?;
        }
        Ok(())
    }

    /// Groups that name an account, the newest first.
    pub(super) async fn groups_of(&self, id: &str) -> Result<Vec<Value>, Failure> {
        let groups = self.all_groups().await?;
        let asks: Batch = groups
            .iter()
            .map(|(group, _)| Cmd::new("SISMEMBER").arg(keys::group_members(group)).arg(id))
            .collect();
        if asks.is_empty() {
            return Ok(Vec::new());
        }
        let replies = self.run(asks).await?;
        let mut found = Vec::new();
        for ((_, group), reply) in groups.into_iter().zip(replies) {
            if reply.int()? == 1 {
                found.push(group);
            }
        }
        Ok(found)
    }

    /// All groups with the number of their members, the newest first.
    async fn all_groups(&self) -> Result<Vec<(String, Value)>, Failure> {
        let ids = self.one(Cmd::new("SMEMBERS").arg(keys::GROUPS)).await?.texts()?;
        let mut batch = Batch::new();
        for id in &ids {
            batch.push(Cmd::new("HGETALL").arg(keys::group(id)));
            batch.push(Cmd::new("SCARD").arg(keys::group_members(id)));
        }
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let mut replies = self.run(batch).await?.into_iter();
        let mut groups = Vec::new();
        for id in ids {
            let (Some(fields), Some(count)) = (replies.next(), replies.next()) else { break };
            let fields = fields.map()?;
            if !fields.is_empty() {
                groups.push((id, group_value(&fields, Some(count.int()?))));
            }
        }
        let created = |group: &Value| js::date_ms(group["createdAt"].as_str().unwrap_or_default());
        groups.sort_by_key(|(_, group)| std::cmp::Reverse(created(group)));
        Ok(groups)
    }

    /// Groups, of one platform or all, the newest first.
    ///
    /// # Errors
    /// Redis (500).
    pub async fn list_groups(&self, platform: Option<&str>) -> Result<Value, Declined> {
        let groups = self.all_groups().await;
        let groups = groups.map_err(|error| Declined::new(500, fault_text(error)))?;
        let of = |group: &Value| platform.is_none_or(|own| group["platform"] == own);
        let groups: Vec<Value> = groups.into_iter().map(|(_, group)| group).filter(of).collect();
        Ok(json!({ "success": true, "data": groups }))
    }

    /// Makes a group.
    ///
    /// # Errors
    /// No name, no or an unknown platform (400).
    pub async fn create_group(&self, body: &Value) -> Result<Value, Declined> {
        let body = members(body);
        if !js::truthy(body.get("name")) || !js::truthy(body.get("platform")) {
            return Err(Declined::invalid("分组名称和平台类型为必填项"));
        }
        let platform = js::field(body.get("platform"));
        if !PLATFORMS.contains(&platform.as_str()) {
            return Err(Declined::invalid("平台类型必须是 claude、gemini、openai 或 droid"));
        }
        let (id, now) = (uuid::Uuid::new_v4().to_string(), iso(self.now_ms()));
        let group = json!({
            "id": id,
            "name": body.get("name").map(js::parsed),
            "platform": platform,
            "description": body.get("description").map_or_else(|| "".into(), js::parsed),
            "createdAt": now,
            "updatedAt": now,
        });
        let mut batch = Batch::atomic();
        let mut hset = Cmd::new("HSET").arg(keys::group(&id));
        for (field, value) in group.as_object().into_iter().flatten() {
            hset = hset.arg(field).arg(js::field(Some(value)));
        }
        batch.push(hset);
        batch.push(Cmd::new("SADD").arg(keys::GROUPS).arg(&id));
        self.run(batch).await.map_err(|error| Declined::invalid(error.to_string()))?;
        Ok(json!({ "success": true, "data": group }))
    }

    /// Renames or describes a group.
    ///
    /// # Errors
    /// An unknown group, or another platform (400).
    pub async fn update_group(&self, id: &str, body: &Value) -> Result<Value, Declined> {
        let changed = self.change_group(id, body).await;
        let group = changed.map_err(|error| Declined::invalid(fault_text(error)))?;
        Ok(json!({ "success": true, "data": group }))
    }

    async fn change_group(&self, id: &str, body: &Value) -> Result<Value, Failure> {
        let key = keys::group(id);
        let before = self.one(Cmd::new("HGETALL").arg(&key)).await?.map()?;
        if before.is_empty() {
            return Err(Failure::fault("分组不存在"));
        }
        let body = members(body);
        if let Some(platform) = js::or(body.get("platform"))
            && before.get("platform") != Some(&js::text(platform))
        {
            return Err(Failure::fault("不能修改分组的平台类型"));
        }
        let mut hset = Cmd::new("HSET").arg(&key);
        for (field, value) in body.iter().filter(|(field, _)| {
            !matches!(field.as_str(), "id" | "platform" | "createdAt" | "updatedAt")
        }) {
            hset = hset.arg(field).arg(js::field(Some(value)));
        }
        let hset = hset.arg("updatedAt").arg(iso(self.now_ms()));
        self.run(hset).await?;
        let after = self.one(Cmd::new("HGETALL").arg(&key)).await?.map()?;
        Ok(group_value(&after, None))
    }

    /// Deletes an empty group.
    ///
    /// # Errors
    /// An unknown group, or one with members (400).
    pub async fn delete_group(&self, id: &str) -> Result<Value, Declined> {
        let done = self.drop_group(id).await;
        done.map_err(|error| Declined::invalid(fault_text(error)))?;
        Ok(json!({ "success": true, "message": "分组删除成功" }))
    }

    async fn drop_group(&self, id: &str) -> Result<(), Failure> {
        if self.one(Cmd::new("EXISTS").arg(keys::group(id))).await?.int()? == 0 {
            return Err(Failure::fault("分组不存在"));
        }
        if self.one(Cmd::new("SCARD").arg(keys::group_members(id))).await?.int()? > 0 {
            return Err(Failure::fault("分组内还有账户，无法删除"));
        }
        let mut batch = Batch::atomic();
        batch.push(Cmd::new("DEL").arg(keys::group(id)));
        batch.push(Cmd::new("DEL").arg(keys::group_members(id)));
        batch.push(Cmd::new("SREM").arg(keys::GROUPS).arg(id));
        self.run(batch).await?;
        Ok(())
    }

    /// Id of the group with this id or, where it is unique, this name.
    ///
    /// # Errors
    /// No such group (404), several of that name (400), or Redis (500).
    pub async fn find_group(&self, which: &str) -> Result<String, Declined> {
        let groups = self.list_groups(None).await?;
        let groups = groups["data"].as_array().cloned().unwrap_or_default();
        let text = |group: &Value, name: &str| js::field(group.get(name));
        if groups.iter().any(|group| text(group, "id") == which) {
            return Ok(which.to_owned());
        }
        let named: Vec<String> = groups
            .iter()
            .filter(|group| text(group, "name") == which)
            .map(|group| text(group, "id"))
            .collect();
        match named.as_slice() {
            [id] => Ok(id.clone()),
            // The id of no group is declined by whatever is to be done with it, in its own words.
            [] => Ok(which.to_owned()),
            several => Err(Declined::invalid(format!(
                "{} groups have this name; give the id: {}",
                several.len(),
                several.join(", ")
            ))),
        }
    }

    /// The accounts of a group.
    ///
    /// # Errors
    /// An unknown group (404), or Redis (500).
    pub async fn group_members(&self, id: &str) -> Result<Vec<Shown>, Declined> {
        let found = self.members_of(id).await;
        let found = found.map_err(|error| error.under("Failed to get group members"))?;
        found.ok_or_else(|| Declined::new(404, "分组不存在"))
    }

    async fn members_of(&self, group: &str) -> Result<Option<Vec<Shown>>, Failure> {
        let mut asks = Batch::from(Cmd::new("EXISTS").arg(keys::group(group)));
        asks.push(Cmd::new("SMEMBERS").arg(keys::group_members(group)));
        let mut replies = self.run(asks).await?.into_iter();
        let there = replies.next().map(|reply| reply.int()).transpose()?;
        let mut ids = replies.next().map(|reply| reply.texts()).transpose()?.unwrap_or_default();
        if there != Some(1) {
            return Ok(None);
        }
        ids.sort_unstable();
        let mut shown = Vec::new();
        for id in &ids {
            for kind in Kind::ALL {
                if let Some(item) = self.item(kind, id).await? {
                    shown.push(Shown { kind, item });
                    break;
                }
            }
        }
        self.tell_cooling(&mut shown).await?;
        Ok(Some(shown))
    }
}

/// A group as it is shown: its fields in the order of creation, then any others.
fn group_value(fields: &HashMap<String, String>, count: Option<i64>) -> Value {
    let order = ["id", "name", "platform", "description", "createdAt", "updatedAt"];
    let mut names: Vec<&String> = fields.keys().collect();
    let place = |name: &str| order.iter().position(|own| *own == name).unwrap_or(order.len());
    names.sort_by_key(|name| (place(name), (*name).clone()));
    let mut group: serde_json::Map<String, Value> = names
        .into_iter()
        .filter_map(|name| Some((name.clone(), fields.get(name)?.as_str().into())))
        .collect();
    if let Some(count) = count {
        group.insert("memberCount".to_owned(), count.into());
    }
    Value::Object(group)
}

fn fault_text(failure: Failure) -> String {
    match failure {
        Failure::Fault(text) => text,
        Failure::Declined(declined) => declined.to_string(),
    }
}
