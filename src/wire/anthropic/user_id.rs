//! `metadata.user_id`: two spellings of device, account and session
//! (`contract/auth-limits-usage.md §3.1`).

use std::borrow::Cow;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::wire::json::{self, Doc};

/// A parsed `metadata.user_id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserId {
    /// Device id; 64 hex digits in the older spelling.
    pub device_id: String,
    /// Account UUID, possibly empty.
    pub account_uuid: String,
    /// Session id, never empty.
    pub session_id: String,
    /// Whether it is spelled as JSON (Claude Code 2.1.78 and later).
    pub json: bool,
}

impl UserId {
    /// Reads either spelling; anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with('{') { Self::parse_json(text) } else { Self::parse_underscores(text) }
    }

    fn parse_json(text: &str) -> Option<Self> {
        let doc = Doc::parse(Bytes::copy_from_slice(text.as_bytes())).ok()?;
        let field = |name| doc.root().get_str(name).map(Cow::into_owned);
        Some(Self {
            device_id: field("device_id").filter(|id| !id.is_empty())?,
            account_uuid: field("account_uuid").unwrap_or_default(),
            session_id: field("session_id").filter(|id| !id.is_empty())?,
            json: true,
        })
    }

    fn parse_underscores(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("user_")?;
        let device_id = rest.get(..64)?;
        let rest = rest.get(64..)?.strip_prefix("_account_")?;
        let (account_uuid, session_id) = rest.rsplit_once("_session_")?;
        let valid = device_id.bytes().all(|b| b.is_ascii_hexdigit())
            && !account_uuid.contains(['\n', '\r', '\u{2028}', '\u{2029}'])
            && !session_id.is_empty()
            && session_id.bytes().all(|b| matches!(b, b'a'..=b'f' | b'0'..=b'9' | b'-'));
        valid.then(|| Self {
            device_id: device_id.to_owned(),
            account_uuid: account_uuid.to_owned(),
            session_id: session_id.to_owned(),
            json: false,
        })
    }

    /// Writes the id in the spelling it was read in.
    pub fn build(&self) -> String {
        let Self { device_id, account_uuid, session_id, json } = self;
        if !json {
            return format!("user_{device_id}_account_{account_uuid}_session_{session_id}");
        }
        let mut out = Vec::with_capacity(256);
        for (lead, value) in [
            ("{\"device_id\":", device_id),
            (",\"account_uuid\":", account_uuid),
            (",\"session_id\":", session_id),
        ] {
            out.extend_from_slice(lead.as_bytes());
            json::encode(value, &mut out);
        }
        out.push(b'}');
        String::from_utf8(out).unwrap_or_default()
    }

    /// The id as one account's upstream sees it: session replaced by one derived from account and
    /// session, account UUID replaced when the account's own is known
    /// (`contract/auth-limits-usage.md §3.3`).
    pub fn for_account(&self, account_id: &str, account_uuid: Option<&str>) -> Self {
        let own = account_uuid.map(js::trim).filter(|uuid| !uuid.is_empty());
        Self {
            device_id: self.device_id.clone(),
            account_uuid: own.unwrap_or(&self.account_uuid).to_owned(),
            session_id: derive_uuid(&format!("{account_id}::{}", self.session_id)),
            json: self.json,
        }
    }
}

/// UUID of version 4 shape made from the SHA-256 of `seed`.
pub fn derive_uuid(seed: &str) -> String {
    let mut bytes = [0u8; 16];
    bytes.iter_mut().zip(Sha256::digest(seed)).for_each(|(slot, byte)| *slot = byte);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// `account_uuid` out of an official account's `extInfo` field, which is JSON in a string.
pub fn account_uuid_of(ext_info: &str) -> Option<String> {
    let doc = Doc::parse(Bytes::copy_from_slice(ext_info.as_bytes())).ok()?;
    let uuid = doc.root().get_str("account_uuid")?;
    let uuid = js::trim(&uuid);
    (!uuid.is_empty()).then(|| uuid.to_owned())
}
