//! The legacy service's key hash and field encryption, written from the contract alone.
//!
//! Kept apart from `compat::crypto` on purpose: seeds made by the code under test could not catch
//! its mistakes (`contract/redis.md §a, §c`).

use std::collections::HashMap;

use aes::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit, block_padding::Pkcs7};
use anyhow::{Context, Result, anyhow};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

/// Encrypts and decrypts stored secrets under one `ENCRYPTION_KEY`.
pub struct Vault {
    encryption_key: String,
    derived: Mutex<HashMap<&'static str, [u8; 32]>>,
}

impl Vault {
    pub fn new(encryption_key: &str) -> Self {
        Self { encryption_key: encryption_key.to_owned(), derived: Mutex::default() }
    }

    /// Lookup hash of a plain API key.
    pub fn key_hash(&self, plain: &str) -> String {
        hex::encode(Sha256::digest(format!("{plain}{}", self.encryption_key)))
    }

    /// `ivhex:cipherhex`; empty text stays empty, as the service leaves it. The IV is derived from
    /// the text, so that seeding twice gives the same record.
    pub fn encrypt(&self, salt: &'static str, plain: &str) -> Result<String> {
        if plain.is_empty() {
            return Ok(String::new());
        }
        let iv: [u8; 16] = Sha256::digest(format!("{salt}/{plain}"))[..16].try_into()?;
        let cipher = cbc::Encryptor::<aes::Aes256>::new(&self.key(salt)?.into(), &iv.into());
        let sealed = cipher.encrypt_padded_vec_mut::<Pkcs7>(plain.as_bytes());
        Ok(format!("{}:{}", hex::encode(iv), hex::encode(sealed)))
    }

    /// `{encrypted, iv}` of Bedrock credentials, whose key is a plain digest.
    pub fn seal_bedrock(&self, credentials: &serde_json::Value) -> serde_json::Value {
        let plain = credentials.to_string();
        let mut iv = [0; 16];
        iv.copy_from_slice(&Sha256::digest(&plain)[..16]);
        let key: [u8; 32] = Sha256::digest(&self.encryption_key).into();
        let cipher = cbc::Encryptor::<aes::Aes256>::new(&key.into(), &iv.into());
        let sealed = cipher.encrypt_padded_vec_mut::<Pkcs7>(plain.as_bytes());
        serde_json::json!({ "encrypted": hex::encode(sealed), "iv": hex::encode(iv) })
    }

    /// Plain text of `ivhex:cipherhex`; `None` when the text is not of that form or does not open.
    pub fn decrypt(&self, salt: &'static str, sealed: &str) -> Option<String> {
        let (iv, cipher) = sealed.split_once(':')?;
        let iv: [u8; 16] = hex::decode(iv).ok()?.try_into().ok()?;
        let cipher = hex::decode(cipher).ok()?;
        let key = self.key(salt).ok()?;
        let opened = cbc::Decryptor::<aes::Aes256>::new(&key.into(), &iv.into())
            .decrypt_padded_vec_mut::<Pkcs7>(&cipher)
            .ok()?;
        String::from_utf8(opened).ok()
    }

    /// What `{encrypted, iv}` of a Bedrock record holds; `None` for anything else.
    pub fn open_bedrock(&self, sealed: &serde_json::Value) -> Option<serde_json::Value> {
        let text = |name: &str| hex::decode(sealed.get(name)?.as_str()?).ok();
        let iv: [u8; 16] = text("iv")?.try_into().ok()?;
        let key: [u8; 32] = Sha256::digest(&self.encryption_key).into();
        let opened = cbc::Decryptor::<aes::Aes256>::new(&key.into(), &iv.into())
            .decrypt_padded_vec_mut::<Pkcs7>(&text("encrypted")?)
            .ok()?;
        serde_json::from_slice(&opened).ok()
    }

    fn key(&self, salt: &'static str) -> Result<[u8; 32]> {
        if let Some(key) = self.derived.lock().get(salt) {
            return Ok(*key);
        }
        let params = scrypt::Params::new(14, 8, 1, 32).map_err(|error| anyhow!("{error}"))?;
        let mut key = [0; 32];
        scrypt::scrypt(self.encryption_key.as_bytes(), salt.as_bytes(), &params, &mut key)
            .map_err(|error| anyhow!("{error}"))
            .context("scrypt")?;
        self.derived.lock().insert(salt, key);
        Ok(key)
    }
}
