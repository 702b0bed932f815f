//! Whether the `ENCRYPTION_KEY` in use is the one that the stored accounts were sealed with.

use compat::{
    crypto::Outcome,
    pool::Kind,
    store::{Batch, Cmd},
};

use super::AccountAdmin;
use crate::domain::{Declined, Failure};

/// Accounts of a kind whose secrets are tried.
const TRIED: usize = 5;
/// Length of what stands before the colon of a sealed secret.
const SEAL: usize = 32;

/// How many stored secrets can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readable {
    /// Secrets that look encrypted.
    pub tried: usize,
    /// Those that this `ENCRYPTION_KEY` opens.
    pub opened: usize,
}

impl AccountAdmin {
    /// Tries some stored secrets of each kind: a wrong `ENCRYPTION_KEY` opens none of them.
    ///
    /// # Errors
    /// Redis (500).
    pub async fn readable(&self) -> Result<Readable, Declined> {
        let read = self.try_secrets().await;
        read.map_err(|error| error.under("Failed to get accounts"))
    }

    async fn try_secrets(&self) -> Result<Readable, Failure> {
        let mut readable = Readable::default();
        for kind in Kind::ALL {
            let Some(service) = kind.service() else { continue };
            let ids = self.one(Cmd::new("SMEMBERS").arg(kind.index_key())).await?.texts()?;
            let asks: Batch = ids
                .iter()
                .take(TRIED)
                .map(|id| {
                    let fields = ["apiKey", "accessToken", "refreshToken"];
                    Cmd::new("HMGET").arg(kind.record_key(id)).args(fields)
                })
                .collect();
            if asks.is_empty() {
                continue;
            }
            for reply in self.run(asks).await? {
                for stored in reply.texts().unwrap_or_default() {
                    if !is_sealed(&stored) {
                        continue;
                    }
                    readable.tried += 1;
                    let outcome = self.0.vault.decrypt(service, &stored).outcome;
                    let opened = matches!(outcome, Outcome::Opened | Outcome::OpenedOld);
                    readable.opened += usize::from(opened);
                }
            }
        }
        Ok(readable)
    }
}

/// Whether a stored text has the form of an encrypted one.
fn is_sealed(stored: &str) -> bool {
    let Some((iv, body)) = stored.split_once(':') else { return false };
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    iv.len() == SEAL && !body.is_empty() && body.len() % SEAL == 0 && hex(iv) && hex(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_encrypted_is_tried() {
        let sealed = format!("{}:{}", "0f".repeat(16), "a1".repeat(32));
        assert!(is_sealed(&sealed));
        for open in ["", "sk-ant-api03-x", "a:b", "http://u:p@h", sealed.trim_end_matches('1')] {
            assert!(!is_sealed(open), "{open}");
        }
    }
}
