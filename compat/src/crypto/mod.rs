//! How the legacy service encrypts stored secrets and hashes API keys (contract/redis.md §a, §c).
//!
//! Every account service has its own key, derived from `ENCRYPTION_KEY`, and its own way to treat
//! text that it cannot decrypt. Both are kept here so that what one service writes the other reads.
//! Nothing here logs, and no type here shows a secret in `Debug`.

mod bedrock;
mod cipher;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use sha2::{Digest, Sha256};

pub use bedrock::BedrockError;
use cipher::{Hex, Key};

/// Whose secrets a text belongs to: decides the derived key and the treatment of unreadable text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// Claude OAuth and setup-token accounts (`claude:account:*`).
    Claude,
    /// Claude console accounts.
    ClaudeConsole,
    /// Claude Code Router accounts.
    Ccr,
    /// Droid accounts, also `apiKeys[].encryptedKey`.
    Droid,
    /// ChatGPT/Codex accounts.
    OpenAi,
    /// OpenAI-Responses accounts.
    OpenAiResponses,
    /// Azure `OpenAI` accounts.
    AzureOpenAi,
    /// Gemini CLI accounts.
    Gemini,
    /// Gemini API-key accounts.
    GeminiApi,
    /// The legacy helper's default; nothing stored uses it.
    Common,
}

impl Service {
    /// Every service, in declaration order.
    pub const ALL: [Self; 10] = [
        Self::Claude,
        Self::ClaudeConsole,
        Self::Ccr,
        Self::Droid,
        Self::OpenAi,
        Self::OpenAiResponses,
        Self::AzureOpenAi,
        Self::Gemini,
        Self::GeminiApi,
        Self::Common,
    ];

    /// Salt of the key derivation.
    fn salt(self) -> &'static str {
        match self {
            Self::Claude => "salt",
            Self::ClaudeConsole => "claude-console-salt",
            Self::Ccr => "ccr-account-salt",
            Self::Droid => "droid-account-salt",
            Self::OpenAi => "openai-account-salt",
            Self::OpenAiResponses => "openai-responses-salt",
            Self::AzureOpenAi => "azure-openai-account-default-salt",
            Self::Gemini => "gemini-account-salt",
            Self::GeminiApi => "gemini-api-salt",
            Self::Common => "claude-relay-salt",
        }
    }
}

/// How a stored text was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There was no text.
    Empty,
    /// Decrypted with the service's own key.
    Opened,
    /// Decrypted as a value of an old Claude version (no IV in the text).
    OpenedOld,
    /// Not readable as ciphertext; the stored text itself is used, as the legacy service does. Either a
    /// plaintext stored by hand, or a value under another `ENCRYPTION_KEY`.
    AsStored,
    /// Not readable, and the service drops it: the secret counts as empty.
    Lost,
}

/// A secret as the legacy service would see it, with how it got there.
#[derive(Clone, PartialEq, Eq)]
pub struct Decrypted {
    /// The secret, or what stands in for it (see [`Outcome`]).
    pub text: String,
    /// How the stored text was read.
    pub outcome: Outcome,
}

impl Decrypted {
    /// Whether the stored text really was ciphertext under our key (or empty).
    pub fn is_readable(&self) -> bool {
        matches!(self.outcome, Outcome::Empty | Outcome::Opened | Outcome::OpenedOld)
    }

    fn new(text: impl Into<String>, outcome: Outcome) -> Self {
        Self { text: text.into(), outcome }
    }
}

impl fmt::Debug for Decrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decrypted({:?})", self.outcome)
    }
}

/// Encrypts and decrypts with the operator's `ENCRYPTION_KEY`. Cheap to clone.
///
/// A service's key is derived on first use (tens of milliseconds of CPU) and kept for the life of the
/// process.
#[derive(Clone)]
pub struct Vault(Arc<Keys>);

struct Keys {
    secret: String,
    azure_salt: Option<String>,
    derived: [OnceLock<Key>; Service::ALL.len()],
    bedrock: OnceLock<Key>,
    old_claude: OnceLock<(Key, [u8; 16])>,
}

impl Vault {
    /// A vault for the `ENCRYPTION_KEY` of the operator's environment.
    pub fn new(encryption_key: &str) -> Self {
        Self::with_azure_salt(encryption_key, None)
    }

    /// A vault for an installation that has a salt of its own for Azure's secrets
    /// (`security.azureOpenaiSalt` of an edited `config.js`).
    pub fn with_azure_salt(encryption_key: &str, azure_salt: Option<&str>) -> Self {
        Self(Arc::new(Keys {
            secret: encryption_key.to_owned(),
            azure_salt: azure_salt.filter(|salt| !salt.is_empty()).map(str::to_owned),
            derived: Default::default(),
            bedrock: OnceLock::new(),
            old_claude: OnceLock::new(),
        }))
    }

    /// Reads a stored text exactly as the legacy service reads it, including what it makes of text that
    /// is not ciphertext (contract/redis.md §c).
    pub fn decrypt(&self, service: Service, stored: &str) -> Decrypted {
        if stored.is_empty() {
            return Decrypted::new("", Outcome::Empty);
        }
        match service {
            Service::Claude => self.decrypt_claude(stored),
            Service::ClaudeConsole => match exact_pair(stored) {
                Some((iv, body)) => self.open_or_keep(service, iv, body, stored),
                None => Decrypted::new(stored, Outcome::AsStored),
            },
            Service::Ccr | Service::Droid | Service::OpenAi | Service::Gemini | Service::Common => {
                match first_pair(stored) {
                    Some((iv, body)) => self.open_or_keep(service, iv, body, stored),
                    None => Decrypted::new(stored, Outcome::AsStored),
                }
            }
            Service::OpenAiResponses | Service::GeminiApi => {
                self.open_or_lose(service, first_pair(stored))
            }
            Service::AzureOpenAi => self.open_or_lose(service, at_fixed_place(stored)),
        }
    }

    /// Text to store for a secret: a random IV and the ciphertext; empty stays empty.
    pub fn encrypt(&self, service: Service, plain: &str) -> String {
        self.encrypt_with_iv(service, plain, rand::random())
    }

    fn encrypt_with_iv(&self, service: Service, plain: &str, iv: [u8; 16]) -> String {
        if plain.is_empty() {
            return String::new();
        }
        let body = cipher::seal(self.key(service), &iv, plain.as_bytes());
        format!("{}:{}", hex::encode(iv), hex::encode(body))
    }

    fn decrypt_claude(&self, stored: &str) -> Decrypted {
        // A text with one colon never reaches the old format, even when it cannot be decrypted.
        if let Some((iv, body)) = exact_pair(stored) {
            return self.open_or_keep(Service::Claude, iv, body, stored);
        }
        let (key, iv) =
            self.0.old_claude.get_or_init(|| cipher::derive_bytes_to_key(&self.0.secret));
        match Hex::Even.decode(stored).and_then(|body| cipher::open(key, iv, &body)) {
            Some(text) => Decrypted::new(text, Outcome::OpenedOld),
            None => Decrypted::new(stored, Outcome::AsStored),
        }
    }

    fn open_or_keep(&self, service: Service, iv: &str, body: &str, stored: &str) -> Decrypted {
        match self.open(service, iv, body, Hex::Even) {
            Some(text) => Decrypted::new(text, Outcome::Opened),
            None => Decrypted::new(stored, Outcome::AsStored),
        }
    }

    fn open_or_lose(&self, service: Service, pair: Option<(&str, &str)>) -> Decrypted {
        match pair.and_then(|(iv, body)| self.open(service, iv, body, Hex::Any)) {
            Some(text) => Decrypted::new(text, Outcome::Opened),
            None => Decrypted::new("", Outcome::Lost),
        }
    }

    fn open(&self, service: Service, iv: &str, body: &str, form: Hex) -> Option<String> {
        let iv = Hex::Any.decode(iv)?.try_into().ok()?;
        cipher::open(self.key(service), &iv, &form.decode(body)?)
    }

    fn key(&self, service: Service) -> &Key {
        let own = self.0.azure_salt.as_deref().filter(|_| service == Service::AzureOpenAi);
        let salt = own.unwrap_or(service.salt());
        self.0.derived[service as usize].get_or_init(|| cipher::derive_scrypt(&self.0.secret, salt))
    }

    fn bedrock_key(&self) -> &Key {
        self.0.bedrock.get_or_init(|| Sha256::digest(&self.0.secret).into())
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(***)")
    }
}

/// Lookup hash of an API key: SHA-256 over the plain key directly followed by `ENCRYPTION_KEY`, in
/// lower-case hex (contract/redis.md §a).
pub fn key_hash(plain: &str, encryption_key: &str) -> String {
    let digest = Sha256::new().chain_update(plain).chain_update(encryption_key).finalize();
    hex::encode(digest)
}

/// The two parts of a text with exactly one colon.
fn exact_pair(stored: &str) -> Option<(&str, &str)> {
    stored.split_once(':').filter(|(_, rest)| !rest.contains(':'))
}

/// The first two parts of a text with any number of colons.
fn first_pair(stored: &str) -> Option<(&str, &str)> {
    let mut parts = stored.split(':');
    Some((parts.next()?, parts.next()?))
}

/// IV and body by position alone; the character between them is not looked at.
fn at_fixed_place(stored: &str) -> Option<(&str, &str)> {
    let body = stored.get(33..).filter(|body| !body.is_empty())?;
    Some((stored.get(..32)?, body))
}
