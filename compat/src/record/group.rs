//! Account groups: `account_group:{id}` (contract/redis.md §b).

use super::{
    field::{Date, Text},
    layout::record,
};

record! {
    /// A group of accounts that a key can be bound to.
    pub struct Group {
        /// Display name.
        name: Text => "name",
        /// `claude`, `gemini`, `openai` or `droid`.
        platform: Text => "platform",
        /// Free text.
        description: Text => "description",
        /// Creation time.
        created_at: Date => "createdAt",
        /// Last edit.
        updated_at: Date => "updatedAt",
    }
}
