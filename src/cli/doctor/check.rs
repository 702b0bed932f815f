//! What the audit looks for: name, weight, meaning and remedy of each check, in one table.

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something does not work, or data is hidden or lost.
    Error,
    /// Something will go wrong, or is not what it should be.
    Warning,
    /// Worth knowing; nothing to do.
    Note,
}

impl Severity {
    /// Name for machines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// One kind of finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// A key has another Redis type than its readers expect.
    WrongType,
    /// No secret at all can be read.
    EncryptionKey,
    /// A ciphertext does not open.
    Undecryptable,
    /// An index's empty marker stands while there is data.
    HiddenByMarker,
    /// A record is not in its index.
    NotIndexed,
    /// A key's hash leads nowhere or to another key.
    NoLookup,
    /// The record's id is not that of its key.
    OtherId,
    /// A value cannot be read at all.
    Unreadable,
    /// A record points to something that does not exist.
    Dangling,
    /// Group membership is not stored on both sides.
    HalfMember,
    /// A field is not in a form that is ever written.
    OddField,
    /// A secret is stored in the clear.
    Unencrypted,
    /// An index names a record that does not exist.
    GhostMember,
    /// The lookup map names a key that does not exist.
    GhostLookup,
    /// Data that must stay will expire.
    WillVanish,
    /// Data that must expire stays.
    NeverExpires,
    /// Data lives longer than it may.
    LivesTooLong,
    /// A key of no known pattern.
    UnknownKey,
    /// A setting in `config/config.js` that crs would not follow.
    Setting,
    /// `config/config.js` could not be evaluated.
    SettingsFailed,
    /// `config/config.js` was not compared.
    SettingsUnread,
    /// The key indexes are not marked complete.
    IndexesNotReady,
    /// Usage of keys or accounts that no longer exist.
    LeftOver,
    /// Data of old versions that nothing reads.
    Obsolete,
    /// A deleted key that can still be looked up.
    DeletedLookup,
    /// A platform that is to be notified but cannot.
    Receiver,
}

impl Check {
    /// Every check, in the order of the report.
    #[cfg(test)]
    pub const ALL: &'static [Self] = &[
        Self::WrongType,
        Self::EncryptionKey,
        Self::Undecryptable,
        Self::HiddenByMarker,
        Self::NotIndexed,
        Self::NoLookup,
        Self::OtherId,
        Self::Unreadable,
        Self::Dangling,
        Self::HalfMember,
        Self::OddField,
        Self::Unencrypted,
        Self::GhostMember,
        Self::GhostLookup,
        Self::WillVanish,
        Self::NeverExpires,
        Self::LivesTooLong,
        Self::UnknownKey,
        Self::Setting,
        Self::SettingsFailed,
        Self::SettingsUnread,
        Self::IndexesNotReady,
        Self::LeftOver,
        Self::Obsolete,
        Self::DeletedLookup,
        Self::Receiver,
    ];

    /// Name for machines; never changes.
    pub fn as_str(self) -> &'static str {
        self.row().0
    }

    /// How much it matters.
    pub fn severity(self) -> Severity {
        self.row().1
    }

    /// What is wrong, for people.
    pub fn meaning(self) -> &'static str {
        self.row().2
    }

    /// What to do about it; empty when nothing needs doing.
    pub fn remedy(self) -> &'static str {
        self.row().3
    }

    fn row(self) -> (&'static str, Severity, &'static str, &'static str) {
        use Severity::{Error, Note, Warning};
        match self {
            Self::WrongType => (
                "wrong-type",
                Error,
                "another Redis type than every reader expects",
                "Look at the key with TYPE, and delete or rename it.",
            ),
            Self::EncryptionKey => (
                "encryption-key",
                Error,
                "no stored secret can be read",
                "ENCRYPTION_KEY is not the one this data was written with: take the one of the Node service.",
            ),
            Self::Undecryptable => (
                "undecryptable",
                Error,
                "encrypted under another key, or damaged",
                "Enter the credentials of these accounts again in the console.",
            ),
            Self::HiddenByMarker => (
                "hidden-by-marker",
                Error,
                "an empty marker hides existing data for up to an hour",
                "Delete the marker key.",
            ),
            Self::NotIndexed => (
                "not-indexed",
                Error,
                "missing in an index, so lists and selection do not see it",
                "SADD (or ZADD) the member. Account and user indexes may be deleted instead: they are rebuilt from the records. Key indexes (apikey:idx:*, apikey:set:*) are rebuilt when the Node service starts without apikey:index:version.",
            ),
            Self::NoLookup => (
                "no-lookup",
                Error,
                "the key cannot be used: apikey:hash_map does not lead to its record",
                "HSET apikey:hash_map with the apiKey of the record as field and its id as value; the Node service also mends it at start.",
            ),
            Self::OtherId => (
                "other-id",
                Error,
                "field id is missing or not the id in the key's name",
                "HSET the right id. Console accounts without id are deleted by the Node service's list.",
            ),
            Self::Unreadable => {
                ("unreadable", Error, "the value cannot be read", "Mend or delete the key.")
            }
            Self::Dangling => (
                "dangling",
                Warning,
                "refers to something that does not exist",
                "Choose another account, group or user for it in the console.",
            ),
            Self::HalfMember => (
                "half-member",
                Warning,
                "group membership is stored on one side only",
                "Remove the account from the group and add it again in the console.",
            ),
            Self::OddField => (
                "odd-field",
                Warning,
                "a field has a form that the service never writes",
                "Save the record again in the console, or correct the field.",
            ),
            Self::Unencrypted => (
                "unencrypted",
                Warning,
                "a secret is stored in the clear",
                "Enter the credentials again in the console.",
            ),
            Self::GhostMember => (
                "ghost-member",
                Warning,
                "an index names a record that does not exist",
                "SREM (or ZREM) the member.",
            ),
            Self::GhostLookup => (
                "ghost-lookup",
                Warning,
                "apikey:hash_map names a key that does not exist",
                "HDEL the field; it is removed anyway when that key is presented.",
            ),
            Self::WillVanish => {
                ("will-vanish", Warning, "data that must stay has an expiry", "PERSIST the key.")
            }
            Self::NeverExpires => (
                "never-expires",
                Warning,
                "data that must expire has no expiry",
                "EXPIRE the key, or delete it.",
            ),
            Self::LivesTooLong => (
                "lives-too-long",
                Warning,
                "the expiry is further away than it is ever set",
                "Nothing urgent: it ends later than it should.",
            ),
            Self::UnknownKey => (
                "unknown-key",
                Warning,
                "no key of the service",
                "Find out who wrote it; another program may share the database.",
            ),
            Self::Setting => (
                "setting",
                Warning,
                "config/config.js differs from what crs would use",
                "Put the line shown into .env.",
            ),
            Self::SettingsFailed => (
                "settings-failed",
                Warning,
                "config/config.js could not be evaluated",
                "Mend it, or compare it with .env by hand.",
            ),
            Self::SettingsUnread => {
                ("settings-unread", Note, "config/config.js was not compared", "")
            }
            Self::IndexesNotReady => (
                "indexes-not-ready",
                Note,
                "the key indexes are not complete yet; the next start of the Node service rebuilds them",
                "",
            ),
            Self::LeftOver => (
                "left-over",
                Note,
                "usage of deleted keys or accounts, which deletion leaves behind",
                "",
            ),
            Self::Obsolete => ("obsolete", Note, "data of old versions that nothing reads", ""),
            Self::DeletedLookup => (
                "deleted-lookup",
                Note,
                "deleted keys still in apikey:hash_map; they are answered as disabled",
                "",
            ),
            Self::Receiver => (
                "receiver",
                Warning,
                "a notification platform cannot work as it is set up",
                "Mend or switch it off in the console; `crs notify test` tries it.",
            ),
        }
    }
}
