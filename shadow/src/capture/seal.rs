//! Sealing with AES-256-GCM.
//!
//! `"CRSC" | version u8 | key id [4] | id length u16 BE | id | nonce [12] | ciphertext and tag`.
//! Everything before the nonce is associated data. The key is HKDF-SHA256 of the operator's
//! `ENCRYPTION_KEY`; the key id is derived beside it and only tells a wrong key from altered bytes.

use aes_gcm::{
    Aes256Gcm, Nonce,
    aead::{Aead, KeyInit, Payload},
};
use hkdf::Hkdf;
use rand::RngCore;
use sha2::Sha256;

use super::{Capture, LARGEST};

const MAGIC: &[u8; 4] = b"CRSC";
const VERSION: u8 = 1;
const KEY_CONTEXT: &[u8] = b"crs shadow capture key v1";
const ID_CONTEXT: &[u8] = b"crs shadow capture key id v1";
const NONCE: usize = 12;

/// Why a capture cannot be sealed or opened.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum OpenError {
    /// Other data.
    #[error("this is no sealed capture")]
    NotACapture,
    /// Made by a later version.
    #[error("sealed with format {0}, which this version does not know")]
    UnknownVersion(u8),
    /// Sealed under another `ENCRYPTION_KEY`.
    #[error("sealed under another ENCRYPTION_KEY (key id {sealed}, ours is {own})")]
    WrongKey {
        /// Id of the key it was sealed under.
        sealed: String,
        /// Id of the key at hand.
        own: String,
    },
    /// Something was changed after sealing.
    #[error("the sealed capture was altered or cut")]
    Altered,
    /// Too large to keep.
    #[error("a capture of {0} bytes is too large to keep")]
    TooLarge(usize),
    /// Cannot be written or read as JSON.
    #[error("the capture cannot be read: {0}")]
    Unreadable(String),
    /// The key derivation or cipher refused.
    #[error("sealing failed")]
    Cipher,
}

/// Seals and opens captures under one key. Its `Debug` shows the key's id only.
#[derive(Clone)]
pub struct Sealer {
    cipher: Aes256Gcm,
    key_id: [u8; 4],
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer").field("key_id", &self.key_id()).finish_non_exhaustive()
    }
}

impl Sealer {
    /// Derives the key from the operator's `ENCRYPTION_KEY`.
    pub fn new(encryption_key: &str) -> Result<Self, OpenError> {
        let derived = Hkdf::<Sha256>::new(None, encryption_key.as_bytes());
        let (mut key, mut key_id) = ([0; 32], [0; 4]);
        derived.expand(KEY_CONTEXT, &mut key).map_err(|_| OpenError::Cipher)?;
        derived.expand(ID_CONTEXT, &mut key_id).map_err(|_| OpenError::Cipher)?;
        let cipher = Aes256Gcm::new_from_slice(&key).map_err(|_| OpenError::Cipher)?;
        Ok(Self { cipher, key_id })
    }

    /// Tells keys apart without telling anything of the key.
    pub fn key_id(&self) -> String {
        hex::encode(self.key_id)
    }

    /// Seals a capture. It must have been redacted before.
    pub fn seal(&self, capture: &Capture) -> Result<Vec<u8>, OpenError> {
        let plain = serde_json::to_vec(capture)
            .map_err(|error| OpenError::Unreadable(error.to_string()))?;
        if plain.len() > LARGEST {
            return Err(OpenError::TooLarge(plain.len()));
        }
        let id = capture.id.as_bytes();
        let length = u16::try_from(id.len()).map_err(|_| OpenError::TooLarge(id.len()))?;
        let mut sealed = Vec::with_capacity(plain.len() + id.len() + 64);
        sealed.extend_from_slice(MAGIC);
        sealed.push(VERSION);
        sealed.extend_from_slice(&self.key_id);
        sealed.extend_from_slice(&length.to_be_bytes());
        sealed.extend_from_slice(id);
        let mut nonce = [0; NONCE];
        rand::rng().fill_bytes(&mut nonce);
        let payload = Payload { msg: &plain, aad: &sealed };
        let hidden = self
            .cipher
            .encrypt(Nonce::from_slice(&nonce), payload)
            .map_err(|_| OpenError::Cipher)?;
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&hidden);
        Ok(sealed)
    }

    /// Opens a sealed capture.
    pub fn open(&self, sealed: &[u8]) -> Result<Capture, OpenError> {
        let head = Head::read(sealed)?;
        if head.key_id != self.key_id {
            let (sealed, own) = (hex::encode(head.key_id), self.key_id());
            return Err(OpenError::WrongKey { sealed, own });
        }
        let (aad, rest) = sealed.split_at_checked(head.length).ok_or(OpenError::Altered)?;
        let (nonce, hidden) = rest.split_at_checked(NONCE).ok_or(OpenError::Altered)?;
        let payload = Payload { msg: hidden, aad };
        let plain = self
            .cipher
            .decrypt(Nonce::from_slice(nonce), payload)
            .map_err(|_| OpenError::Altered)?;
        let capture: Capture = serde_json::from_slice(&plain)
            .map_err(|error| OpenError::Unreadable(error.to_string()))?;
        if capture.id.as_bytes() != head.id { Err(OpenError::Altered) } else { Ok(capture) }
    }

    /// The id of a sealed capture, without opening it. Not to be trusted before it was opened.
    pub fn id(sealed: &[u8]) -> Result<String, OpenError> {
        Ok(String::from_utf8_lossy(Head::read(sealed)?.id).into_owned())
    }
}

struct Head<'a> {
    key_id: [u8; 4],
    id: &'a [u8],
    length: usize,
}

impl<'a> Head<'a> {
    fn read(sealed: &'a [u8]) -> Result<Self, OpenError> {
        let rest = sealed.strip_prefix(MAGIC).ok_or(OpenError::NotACapture)?;
        let (version, rest) = rest.split_first().ok_or(OpenError::Altered)?;
        if *version != VERSION {
            return Err(OpenError::UnknownVersion(*version));
        }
        let (key_id, rest) = rest.split_first_chunk::<4>().ok_or(OpenError::Altered)?;
        let (length, rest) = rest.split_first_chunk::<2>().ok_or(OpenError::Altered)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let id = rest.get(..length).ok_or(OpenError::Altered)?;
        Ok(Self { key_id: *key_id, id, length: MAGIC.len() + 1 + 4 + 2 + length })
    }
}
