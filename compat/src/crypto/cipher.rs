//! AES-256-CBC with PKCS#7, the three key derivations, and Node's way of reading hex.

use aes::{
    Aes256,
    cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit, block_padding::Pkcs7},
};
use md5::{Digest, Md5};

/// An AES-256 key.
pub(super) type Key = [u8; 32];

/// Which hex texts are accepted. Node stops at the first pair that is not hex and keeps what came
/// before; some of its calls also refuse texts of odd length.
#[derive(Clone, Copy)]
pub(super) enum Hex {
    /// Any text.
    Any,
    /// Texts of even length only.
    Even,
}

impl Hex {
    pub(super) fn decode(self, text: &str) -> Option<Vec<u8>> {
        if matches!(self, Self::Even) && text.encode_utf16().count() % 2 == 1 {
            return None;
        }
        Some(text.as_bytes().chunks_exact(2).map_while(hex_pair).collect())
    }
}

fn hex_pair(pair: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)
}

/// Encrypts with PKCS#7 padding.
pub(super) fn seal(key: &Key, iv: &[u8; 16], plain: &[u8]) -> Vec<u8> {
    cbc::Encryptor::<Aes256>::new(key.into(), iv.into()).encrypt_padded_vec_mut::<Pkcs7>(plain)
}

/// Decrypts; `None` when the length or the padding is wrong. Bytes that are not UTF-8 become
/// replacement characters, as in Node.
pub(super) fn open(key: &Key, iv: &[u8; 16], body: &[u8]) -> Option<String> {
    let plain = cbc::Decryptor::<Aes256>::new(key.into(), iv.into())
        .decrypt_padded_vec_mut::<Pkcs7>(body)
        .ok()?;
    Some(String::from_utf8_lossy(&plain).into_owned())
}

/// scrypt with Node's default cost (N = 16384, r = 8, p = 1).
pub(super) fn derive_scrypt(secret: &str, salt: &str) -> Key {
    let mut key = Key::default();
    let params = scrypt::Params::new(14, 8, 1, key.len());
    let derived = params.is_ok_and(|params| {
        scrypt::scrypt(secret.as_bytes(), salt.as_bytes(), &params, &mut key).is_ok()
    });
    debug_assert!(derived, "the parameters are constant and valid");
    key
}

/// OpenSSL's `EVP_BytesToKey` with MD5, one round, no salt: key and IV of the oldest Claude values.
pub(super) fn derive_bytes_to_key(secret: &str) -> (Key, [u8; 16]) {
    let first = Md5::digest(secret);
    let second = Md5::new().chain_update(first).chain_update(secret).finalize();
    let third = Md5::new().chain_update(second).chain_update(secret).finalize();
    let mut key = Key::default();
    key[..16].copy_from_slice(&first);
    key[16..].copy_from_slice(&second);
    (key, third.into())
}
