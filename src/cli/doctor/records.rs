//! Reads every key, account, group and user, and checks their fields.

use std::collections::{BTreeMap, HashMap};

use compat::{
    keys::{self, AccountKind},
    record::{
        ApiKey, Binding, Fault, Group, Sealed, User,
        account::{
            AzureOpenAi, Bedrock, Ccr, ClaudeConsole, ClaudeOfficial, Droid, Gemini, GeminiApi,
            OpenAi, OpenAiResponses,
        },
    },
    store::{Cmd, Reply, Store, StoreError},
};

use super::{
    census::Census, check::Check, progress::Progress, reading::run_all, report::Findings,
    secrets::Secrets,
};

/// Records read at a time.
const CHUNK: usize = 250;
const KEY_PATTERN: &str = "apikey:{key_id}";

/// What later checks need to know of the records.
#[derive(Default)]
pub(super) struct Records {
    pub(super) keys: Vec<KeyFacts>,
    /// Accounts with their account type (`shared`, …).
    pub(super) accounts: BTreeMap<(AccountKind, String), String>,
    /// Groups with their platform.
    pub(super) groups: HashMap<String, String>,
    /// Users with their login name; empty when the record cannot be read.
    pub(super) users: HashMap<String, String>,
}

/// An API key, as far as other data refers to it.
pub(super) struct KeyFacts {
    pub(super) id: String,
    pub(super) hash: String,
    pub(super) name: String,
    pub(super) active: bool,
    pub(super) deleted: bool,
    pub(super) tags: Vec<String>,
    pub(super) user_id: Option<String>,
    pub(super) bindings: Vec<(&'static str, Target)>,
}

/// What a key is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Account(AccountKind, String),
    Group(String),
}

impl Records {
    pub(super) async fn read(
        store: &dyn Store,
        census: &Census,
        secrets: &mut Secrets<'_>,
        findings: &mut Findings,
        progress: &Progress,
    ) -> Result<Self, StoreError> {
        let mut records = Self::default();
        records.read_keys(store, census, findings, progress).await?;
        for kind in AccountKind::ALL {
            records.read_accounts(kind, store, census, secrets, findings).await?;
        }
        for (key, reply) in fetch(store, census.keys("account_group:{group_id}"), "HGETALL").await?
        {
            let fields = reply.map()?;
            report(&Group::check(&fields), "account_group:{group_id}", key, findings);
            let group = Group::from_fields(last_part(key), fields);
            records.groups.insert(last_part(key).to_owned(), group.platform);
        }
        for (key, reply) in fetch(store, census.keys("user:{user_id}"), "GET").await? {
            let user = reply.text()?.as_deref().and_then(User::from_stored);
            if user.is_none() {
                findings.add(Check::Unreadable, "user:{user_id}: not a JSON object", key);
            }
            let name = user.map(|user| user.username().to_owned()).unwrap_or_default();
            records.users.insert(last_part(key).to_owned(), name);
        }
        Ok(records)
    }

    async fn read_keys(
        &mut self,
        store: &dyn Store,
        census: &Census,
        findings: &mut Findings,
        progress: &Progress,
    ) -> Result<(), StoreError> {
        let keys = census.keys(KEY_PATTERN);
        let bar = progress.start("API keys", keys.len());
        for chunk in keys.chunks(CHUNK) {
            for (key, reply) in fetch(store, chunk, "HGETALL").await? {
                let fields = reply.map()?;
                if fields.is_empty() {
                    continue;
                }
                report(&ApiKey::check(&fields), KEY_PATTERN, key, findings);
                check_id(fields.get("id"), KEY_PATTERN, key, findings);
                let record = ApiKey::from_fields(last_part(key), fields);
                if !is_hash(&record.hash) {
                    let subject = format!("{KEY_PATTERN} apiKey: expected a SHA-256 hash");
                    findings.add(Check::OddField, subject, key);
                }
                self.keys.push(KeyFacts::of(last_part(key), record));
            }
            bar.at(self.keys.len());
        }
        bar.end();
        Ok(())
    }

    async fn read_accounts(
        &mut self,
        kind: AccountKind,
        store: &dyn Store,
        census: &Census,
        secrets: &mut Secrets<'_>,
        findings: &mut Findings,
    ) -> Result<(), StoreError> {
        let pattern = kind.record_pattern();
        let command = if kind == AccountKind::Bedrock { "GET" } else { "HGETALL" };
        for (key, reply) in fetch(store, census.keys(&pattern), command).await? {
            let id = last_part(key);
            let account_type = if kind == AccountKind::Bedrock {
                match reply.text()?.and_then(|text| Bedrock::from_stored(id, &text)) {
                    Some(account) => {
                        secrets.try_bedrock(&account, key, findings);
                        if account.secrets().is_empty() {
                            findings.add(Check::NoCredentials, &*pattern, key);
                        }
                        account.account_type().to_owned()
                    }
                    None => {
                        findings.add(
                            Check::Unreadable,
                            format!("{pattern}: not a JSON object"),
                            key,
                        );
                        String::new()
                    }
                }
            } else {
                let fields = reply.map()?;
                if fields.is_empty() {
                    continue;
                }
                check_id(fields.get("id"), &pattern, key, findings);
                let account = read_account(kind, id, fields);
                report(&account.faults, &pattern, key, findings);
                for (field, stored) in &account.secrets {
                    secrets.try_field(kind, key, field, stored, findings);
                }
                account.account_type
            };
            self.accounts.insert((kind, id.to_owned()), account_type);
        }
        Ok(())
    }
}

impl KeyFacts {
    fn of(id: &str, record: ApiKey) -> Self {
        let bindings = record.bindings().into_iter().map(|(field, binding)| match binding {
            Binding::Account(kind, id) => (field, Target::Account(kind, id.to_owned())),
            Binding::Group(id) => (field, Target::Group(id.to_owned())),
        });
        Self {
            id: id.to_owned(),
            bindings: bindings.collect(),
            hash: record.hash,
            name: record.name,
            active: record.is_active,
            deleted: record.is_deleted,
            tags: record.tags,
            user_id: record.user_id,
        }
    }

    /// The key's name in Redis.
    pub(super) fn key(&self) -> String {
        keys::api_key(&self.id)
    }
}

struct AccountFacts {
    account_type: String,
    faults: Vec<Fault>,
    secrets: Vec<(&'static str, Sealed)>,
}

fn read_account(kind: AccountKind, id: &str, fields: HashMap<String, String>) -> AccountFacts {
    macro_rules! facts {
        ($record:ty) => {{
            let faults = <$record>::check(&fields);
            let record = <$record>::from_fields(id, fields);
            let secrets = record.secrets().into_iter().map(|(name, text)| (name, text.clone()));
            AccountFacts { faults, secrets: secrets.collect(), account_type: record.account_type }
        }};
    }
    match kind {
        AccountKind::ClaudeOfficial => facts!(ClaudeOfficial),
        AccountKind::ClaudeConsole => facts!(ClaudeConsole),
        AccountKind::Ccr => facts!(Ccr),
        AccountKind::OpenAi => facts!(OpenAi),
        AccountKind::OpenAiResponses => facts!(OpenAiResponses),
        AccountKind::AzureOpenAi => facts!(AzureOpenAi),
        AccountKind::Gemini => facts!(Gemini),
        AccountKind::GeminiApi => facts!(GeminiApi),
        AccountKind::Droid | AccountKind::Bedrock => {
            let keys = Droid::from_fields(id, fields.clone()).keys();
            let mut facts = facts!(Droid);
            facts.secrets.extend(keys.into_iter().map(|key| ("apiKeys", key.key)));
            facts
        }
    }
}

/// Reads keys in one command each; keys that are gone or refused are left out.
async fn fetch<'a>(
    store: &dyn Store,
    keys: &'a [String],
    command: &'static str,
) -> Result<Vec<(&'a str, Reply)>, StoreError> {
    let replies =
        run_all(store, keys.iter().map(|key| Cmd::new(command).arg(key)).collect()).await?;
    let read = keys.iter().map(String::as_str).zip(replies);
    Ok(read.filter(|(_, reply)| !matches!(reply, Reply::Error(_) | Reply::Nil)).collect())
}

fn report(faults: &[Fault], pattern: &str, key: &str, findings: &mut Findings) {
    for Fault { field, expected } in faults {
        findings.add(Check::OddField, format!("{pattern} {field}: expected {expected}"), key);
    }
}

fn check_id(stored: Option<&String>, pattern: &str, key: &str, findings: &mut Findings) {
    if stored.map(String::as_str) != Some(last_part(key)) {
        findings.add(Check::OtherId, pattern, key);
    }
}

/// Record ids are words without colons, at the end of the key.
fn last_part(key: &str) -> &str {
    key.rsplit(':').next().unwrap_or(key)
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
