//! A change of single fields of one record.

use std::borrow::Cow;

use super::Fields;
use crate::store::{Cmd, Script};

/// Sets and removes fields of a hash, but only of one that still exists: a record deleted meanwhile is
/// not brought back. With expectations, nothing happens unless each named field has that value.
/// Returns 1 when written, 0 when the record is gone, -1 when an expectation failed.
pub static PATCH_RECORD: Script = Script {
    name: "account.patch",
    source: r"
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local at = 0
local function take() at = at + 1; return ARGV[at] end
for _ = 1, tonumber(take()) do
  local field = take()
  local value = take()
  if (redis.call('HGET', KEYS[1], field) or '') ~= value then return -1 end
end
local set = {}
for _ = 1, tonumber(take()) * 2 do set[#set + 1] = take() end
if #set > 0 then redis.call('HSET', KEYS[1], unpack(set)) end
local del = {}
while at < #ARGV do del[#del + 1] = take() end
if #del > 0 then redis.call('HDEL', KEYS[1], unpack(del)) end
return 1
",
};

/// Puts another text in a key's place, if the key still holds the text that was read; 1 when done.
static REPLACE_TEXT: Script = Script {
    name: "account.replace",
    source: r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
",
};

/// Replaces a JSON record (Bedrock) that was read as `was`; the reply is 1 when nobody wrote it since.
pub fn replace_text(key: &str, was: &str, new: &str) -> Cmd {
    Cmd::script(&REPLACE_TEXT, [key]).arg(was).arg(new)
}

/// Fields to set, remove, and expect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    set: Vec<(Cow<'static, str>, String)>,
    del: Vec<Cow<'static, str>>,
    expect: Vec<(Cow<'static, str>, String)>,
}

impl Patch {
    /// A change of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a field.
    #[must_use]
    pub fn set(mut self, field: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        let field = field.into();
        self.del.retain(|name| *name != field);
        self.set.retain(|(name, _)| *name != field);
        self.set.push((field, value.into()));
        self
    }

    /// Removes fields.
    #[must_use]
    pub fn del<F: Into<Cow<'static, str>>>(mut self, fields: impl IntoIterator<Item = F>) -> Self {
        for field in fields.into_iter().map(Into::into) {
            self.set.retain(|(name, _)| *name != field);
            if !self.del.contains(&field) {
                self.del.push(field);
            }
        }
        self
    }

    /// Makes the write depend on a field's present value; missing counts as empty.
    #[must_use]
    pub fn expect(mut self, field: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.expect.push((field.into(), value.into()));
        self
    }

    /// Adds another change after this one.
    #[must_use]
    pub fn then(mut self, later: Self) -> Self {
        for (field, value) in later.set {
            self = self.set(field, value);
        }
        self = self.del(later.del);
        self.expect.extend(later.expect);
        self
    }

    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.del.is_empty()
    }

    /// Fields set, with their values.
    pub fn sets(&self) -> impl Iterator<Item = (&str, &str)> {
        self.set.iter().map(|(field, value)| (field.as_ref(), value.as_str()))
    }

    /// Fields removed.
    pub fn dels(&self) -> impl Iterator<Item = &str> {
        self.del.iter().map(AsRef::as_ref)
    }

    /// Carries the change out on fields in memory.
    pub fn apply(&self, fields: &mut Fields) {
        for (field, value) in &self.set {
            fields.insert(field.to_string(), value.clone());
        }
        for field in &self.del {
            fields.remove(field.as_ref());
        }
    }

    /// The command that carries the change out on the record at `key`.
    pub fn cmd(&self, key: &str) -> Cmd {
        let pair =
            |cmd: Cmd, (field, value): &(Cow<'static, str>, String)| cmd.arg(&**field).arg(value);
        let cmd = Cmd::script(&PATCH_RECORD, [key]).arg(self.expect.len());
        let cmd = self.expect.iter().fold(cmd, pair).arg(self.set.len());
        let cmd = self.set.iter().fold(cmd, pair);
        self.del.iter().fold(cmd, |cmd, field| cmd.arg(&**field))
    }
}
