//! Finding texts that are known only by length and hash.

use sha2::{Digest, Sha256};

use crate::wire::text::is_js_space;

const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

/// A text known by its length in UTF-16 units, a rolling hash (to find it) and the first eight bytes
/// of SHA-256 over its little-endian units (to confirm it).
#[derive(Clone, Copy, Debug)]
pub(super) struct Literal {
    pub len: usize,
    pub roll: u64,
    pub digest: [u8; 8],
}

/// The end of a template that stops in a placeholder: what stands before the placeholder.
#[derive(Clone, Debug)]
pub(super) struct Anchor {
    /// Up to 30 units before the placeholder.
    pub exact: Literal,
    /// The same without whitespace, piece by piece.
    pub pieces: Vec<Literal>,
    /// The same with whitespace collapsed and trimmed.
    pub normal: Literal,
}

impl Literal {
    fn is_at(&self, text: &[u16], at: usize) -> bool {
        at.checked_add(self.len).and_then(|end| text.get(at..end)).is_some_and(|window| {
            window.iter().fold(0, |hash, unit| step(hash, *unit)) == self.roll
                && digest(window) == self.digest
        })
    }

    /// Positions at which the literal stands in `text`, ascending.
    fn positions<'t>(&self, text: &'t [u16]) -> Positions<'t> {
        let drop = (0..self.len).fold(1u64, |power, _| power.wrapping_mul(MULTIPLIER));
        let hash = text.get(..self.len).map(|w| w.iter().fold(0, |hash, unit| step(hash, *unit)));
        Positions { literal: *self, text, at: 0, hash, drop }
    }

    fn find(&self, text: &[u16]) -> Option<usize> {
        self.positions(text).next()
    }
}

impl Anchor {
    /// Where the raw text is cut: after the first occurrence of the anchor, as it stands or with
    /// other whitespace between its words; the whole length when it does not occur.
    pub(super) fn cut(&self, raw: &[u16]) -> usize {
        if let Some(at) = self.exact.find(raw) {
            return at + self.exact.len;
        }
        let Some((first, rest)) = self.pieces.split_first() else { return raw.len() };
        for start in first.positions(raw) {
            let mut end = start + first.len;
            let matched = rest.iter().all(|piece| {
                let gap = raw.get(end..).unwrap_or_default();
                end += gap.iter().take_while(|u| is_js_space(**u)).count();
                let hit = piece.is_at(raw, end);
                end += piece.len;
                hit
            });
            if matched {
                return end;
            }
        }
        raw.len()
    }

    /// End of the last occurrence in a normalised text.
    pub(super) fn cut_normal(&self, normal: &[u16]) -> Option<usize> {
        self.normal.positions(normal).last().map(|at| at + self.normal.len)
    }
}

/// Whether all literals occur in `text`, one after the other without overlap.
pub(super) fn in_order(text: &[u16], literals: &[Literal]) -> bool {
    if literals.iter().map(|l| l.len).sum::<usize>() > text.len() {
        return false;
    }
    let mut rest = text;
    literals.iter().all(|literal| match literal.find(rest) {
        Some(at) => {
            rest = rest.get(at + literal.len..).unwrap_or_default();
            true
        }
        None => false,
    })
}

struct Positions<'t> {
    literal: Literal,
    text: &'t [u16],
    at: usize,
    hash: Option<u64>,
    drop: u64,
}

impl Iterator for Positions<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while let Some(hash) = self.hash {
            let (at, end) = (self.at, self.at + self.literal.len);
            self.at += 1;
            self.hash = match (self.text.get(at), self.text.get(end)) {
                (Some(old), Some(new)) => Some(
                    step(hash, *new)
                        .wrapping_sub(self.drop.wrapping_mul(u64::from(*old).wrapping_add(1))),
                ),
                _ => None,
            };
            let window = self.text.get(at..end).unwrap_or_default();
            if hash == self.literal.roll && digest(window) == self.literal.digest {
                return Some(at);
            }
        }
        None
    }
}

fn step(hash: u64, unit: u16) -> u64 {
    hash.wrapping_mul(MULTIPLIER).wrapping_add(u64::from(unit)).wrapping_add(1)
}

fn digest(window: &[u16]) -> [u8; 8] {
    let mut sha = Sha256::new();
    window.iter().for_each(|unit| sha.update(unit.to_le_bytes()));
    let mut out = [0; 8];
    out.iter_mut().zip(sha.finalize()).for_each(|(slot, byte)| *slot = byte);
    out
}
