//! Key prefix and encryption key.

use super::reader::Reader;
use crate::domain::Secret;

/// What the legacy service uses when `ENCRYPTION_KEY` is not set. Data written with it is readable
/// only with it, so it is kept, with a warning.
const UNSET_ENCRYPTION_KEY: &str = "CHANGE-THIS-32-CHARACTER-KEY-NOW";

/// Secrets and prefixes that decide whether stored data can be read.
#[derive(Clone, Debug)]
pub struct SecurityConfig {
    /// `API_KEY_PREFIX` (`cr_`): what a client key starts with.
    pub api_key_prefix: String,
    /// `ENCRYPTION_KEY` (a public placeholder): hashes client keys and encrypts stored credentials.
    pub encryption_key: Secret,
    /// `JWT_SECRET` (a public placeholder). Nothing uses it; read so that status commands can tell.
    pub jwt_secret: Option<Secret>,
    /// `CRS_AZURE_OPENAI_SALT` (unset): salt of the key that Azure secrets are under, where an edited
    /// `config.js` names one (`security.azureOpenaiSalt`).
    pub azure_salt: Option<Secret>,
    /// `ADMIN_SESSION_TIMEOUT` (86400000). Legacy quirk: milliseconds used as Redis seconds.
    pub admin_session_timeout: i64,
}

impl SecurityConfig {
    pub(super) fn read(reader: &Reader<'_>) -> Self {
        Self {
            api_key_prefix: reader.text("API_KEY_PREFIX", "cr_"),
            encryption_key: reader.text("ENCRYPTION_KEY", UNSET_ENCRYPTION_KEY).into(),
            jwt_secret: reader.optional("JWT_SECRET").map(Secret::from),
            azure_salt: reader.optional("CRS_AZURE_OPENAI_SALT").map(Secret::from),
            admin_session_timeout: reader.int_or("ADMIN_SESSION_TIMEOUT", 86_400_000),
        }
    }

    /// Whether the encryption key is one that everybody knows.
    pub fn has_public_encryption_key(&self) -> bool {
        matches!(
            self.encryption_key.expose(),
            UNSET_ENCRYPTION_KEY | "your-encryption-key-here" | "your-32-character-encryption-key"
        )
    }
}
