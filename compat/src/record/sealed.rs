//! A stored secret that has not been decrypted.

use std::fmt;

use crate::crypto::{Decrypted, Service, Vault};

/// The stored text of a secret, normally ciphertext; `Debug` shows only whether there is one.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Sealed(String);

impl Sealed {
    /// The text exactly as it stands in Redis.
    pub fn as_stored(&self) -> &str {
        &self.0
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The secret as the legacy service `service` would read it.
    pub fn open(&self, vault: &Vault, service: Service) -> Decrypted {
        vault.decrypt(service, &self.0)
    }
}

impl From<String> for Sealed {
    fn from(stored: String) -> Self {
        Self(stored)
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "Sealed(empty)" } else { "Sealed(***)" })
    }
}
