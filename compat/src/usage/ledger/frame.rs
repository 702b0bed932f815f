//! How entries lie in a journal file: length, checksum, number, payload. A torn or damaged entry ends
//! what can be read of a file.

use super::UsageEvent;

const HEADER: usize = 16;
/// Longer entries are not believed.
const MAX_PAYLOAD: usize = 16 << 20;

/// The bytes of one entry.
pub(super) fn encode(number: u64, payload: &[u8], into: &mut Vec<u8>) {
    into.clear();
    into.extend(u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
    into.extend(checksum(number, payload).to_le_bytes());
    into.extend(number.to_le_bytes());
    into.extend(payload);
}

/// Entries of a file's bytes, as far as they are whole.
pub(super) fn decode(mut bytes: &[u8]) -> impl Iterator<Item = (u64, Option<UsageEvent>)> {
    std::iter::from_fn(move || {
        let (number, payload, rest) = split(bytes)?;
        bytes = rest;
        let event = serde_json::from_slice(payload)
            .inspect_err(|error| tracing::error!(number, %error, "unreadable usage journal entry"))
            .ok();
        Some((number, event))
    })
}

/// Number of the last whole entry and how many bytes are whole.
pub(super) fn extent(mut bytes: &[u8]) -> (Option<u64>, usize) {
    let all = bytes.len();
    let mut last = None;
    while let Some((number, _, rest)) = split(bytes) {
        last = Some(number);
        bytes = rest;
    }
    (last, all - bytes.len())
}

fn split(bytes: &[u8]) -> Option<(u64, &[u8], &[u8])> {
    let (header, rest) = bytes.split_at_checked(HEADER)?;
    let word = |at: usize| Some(u32::from_le_bytes(header.get(at..at + 4)?.try_into().ok()?));
    let length = usize::try_from(word(0)?).ok().filter(|length| *length <= MAX_PAYLOAD)?;
    let number = u64::from_le_bytes(header.get(8..16)?.try_into().ok()?);
    let (payload, rest) = rest.split_at_checked(length)?;
    (word(4)? == checksum(number, payload)).then_some((number, payload, rest))
}

fn checksum(number: u64, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}
