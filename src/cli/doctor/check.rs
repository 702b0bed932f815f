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
    /// Nobody answers where the Node service should.
    NodeUnreachable,
    /// The Node service works on another database.
    OtherRedis,
    /// The Node service encrypts with another key.
    OtherKey,
    /// Something that is not crs listens on its port.
    PortTaken,
    /// The tap's socket cannot be made.
    TapPath,
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
    /// What answers at `CRS_LEGACY_URL` is crs.
    NotNode,
    /// The Node service does not believe `X-Forwarded-For`.
    TrustProxy,
    /// The Node service was started without the tap.
    TapNotLoaded,
    /// No tap is connected to the running crs.
    TapAlone,
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
    /// ChatGPT accounts, and no instructions for clients that are not Codex.
    CodexInstructions,
    /// A variable for the environment's proxies names none.
    ProxyUnusable,
    /// The environment has proxies.
    ProxyVariables,
    /// A Bedrock account has no credentials of its own.
    NoCredentials,
    /// Clients can reach the Node service past crs.
    NodeOpen,
    /// The Node service's own settings cannot be seen from here.
    NodeUnseen,
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
        Self::NodeUnreachable,
        Self::OtherRedis,
        Self::OtherKey,
        Self::PortTaken,
        Self::TapPath,
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
        Self::NotNode,
        Self::TrustProxy,
        Self::TapNotLoaded,
        Self::TapAlone,
        Self::SettingsUnread,
        Self::IndexesNotReady,
        Self::LeftOver,
        Self::Obsolete,
        Self::DeletedLookup,
        Self::Receiver,
        Self::CodexInstructions,
        Self::ProxyUnusable,
        Self::ProxyVariables,
        Self::NoCredentials,
        Self::NodeOpen,
        Self::NodeUnseen,
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
            Self::NodeUnreachable => (
                "node-unreachable",
                Error,
                "the Node service does not answer at CRS_LEGACY_URL",
                "Start it with PORT (and HOST) in its own environment as CRS_LEGACY_URL has them, or correct CRS_LEGACY_URL.",
            ),
            Self::OtherRedis => (
                "other-redis",
                Error,
                "the Node process works on another Redis than this .env names",
                "Give both the same REDIS_HOST, REDIS_PORT and REDIS_DB.",
            ),
            Self::OtherKey => (
                "other-key",
                Error,
                "the Node process has another ENCRYPTION_KEY than crs",
                "Give both the ENCRYPTION_KEY that the data was written with, and restart the one that had another.",
            ),
            Self::PortTaken => (
                "port-taken",
                Error,
                "crs cannot listen: something else answers on its HOST and PORT",
                "Give the Node service another PORT in its own environment, or end what listens there.",
            ),
            Self::TapPath => (
                "tap-path",
                Error,
                "the path of the tap's socket is longer than the 107 bytes that a socket may have",
                "Set CRS_TAP_SOCKET to a shorter one, for crs and for the Node service.",
            ),
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
            Self::NotNode => (
                "not-node",
                Warning,
                "what answers at CRS_LEGACY_URL is crs, not the Node service",
                "Set CRS_LEGACY_URL to where the Node service listens.",
            ),
            Self::TrustProxy => (
                "trust-proxy",
                Warning,
                "the Node process does not have TRUST_PROXY=true, so it takes all clients for one: crs",
                "Set TRUST_PROXY=true in the Node service's own environment (not in the .env that both read) and restart it.",
            ),
            Self::TapNotLoaded => (
                "tap-not-loaded",
                Warning,
                "the Node process was started without the tap, so what it does cannot be compared in full",
                "Set NODE_OPTIONS=\"--require /path/to/tap.cjs\" in the Node service's own environment and restart it (legacy-node/README.md).",
            ),
            Self::TapAlone => (
                "tap-alone",
                Warning,
                "the running crs has no tap connected",
                "Load tap.cjs into the Node service (legacy-node/README.md). When it is: both must have the same CRS_TAP_SOCKET and run as the same user; CRS_TAP_DEBUG=1 makes the tap say what fails.",
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
            Self::CodexInstructions => (
                "codex-instructions",
                Warning,
                "requests of clients other than Codex go to ChatGPT accounts without Codex's instructions",
                "Run `crs import-legacy DIR`, set CRS_CODEX_INSTRUCTIONS_FILE, or send one request with the Codex CLI.",
            ),
            Self::ProxyUnusable => (
                "proxy-unusable",
                Error,
                "the variable names no proxy, so requests that it is for fail",
                "Set it to http://, https:// or socks5:// and a host and port, or remove it.",
            ),
            Self::ProxyVariables => (
                "proxy-variables",
                Note,
                "requests of accounts without a proxy go through the environment's, but for those of official and Bedrock accounts",
                "Hosts in NO_PROXY are asked directly. Official accounts need a proxy of their own.",
            ),
            Self::NoCredentials => (
                "no-credentials",
                Note,
                "the Bedrock account has no credentials, so crs uses those of its surroundings; the Node service fails",
                "`crs accounts test` shows whether there are any, and where they were looked for.",
            ),
            Self::NodeOpen => (
                "node-open",
                Note,
                "the Node process listens on other addresses than 127.0.0.1, so clients may go past crs",
                "Set HOST=127.0.0.1 in its own environment, unless it is reached from another machine or container.",
            ),
            Self::NodeUnseen => (
                "node-unseen",
                Note,
                "the Node process cannot be seen from here (another machine, container or user)",
                "Check there: the same REDIS_* and ENCRYPTION_KEY as here, TRUST_PROXY=true, the tap in NODE_OPTIONS.",
            ),
        }
    }
}
