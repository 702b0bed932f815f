//! Finding texts that are known only by length and hash.

use sha2::{Digest, Sha256};

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
    fn window<'t>(&self, text: &'t [u16], at: usize) -> Option<&'t [u16]> {
        text.get(at..at.checked_add(self.len)?)
    }

    /// Whether the rolling hash fits; to be confirmed.
    fn may_be_at(&self, text: &[u16], at: usize) -> bool {
        self.window(text, at)
            .is_some_and(|w| w.iter().fold(0, |h, unit| step(h, *unit)) == self.roll)
    }

    /// Whether the literal stands there.
    fn confirm(&self, text: &[u16], at: usize) -> bool {
        self.window(text, at).is_some_and(|window| digest(window) == self.digest)
    }

    /// Positions at which the rolling hash fits, ascending; to be confirmed.
    fn candidates<'t>(&self, text: &'t [u16]) -> impl Iterator<Item = usize> + use<'t> {
        let (len, roll) = (self.len, self.roll);
        let drop = (0..len).fold(1u64, |power, _| power.wrapping_mul(MULTIPLIER));
        let first = text.get(..len).map(|w| w.iter().fold(0, |hash, unit| step(hash, *unit)));
        let leaving = text.iter();
        let entering = text.get(len..).unwrap_or_default().iter();
        let mut hash = first.unwrap_or_default();
        let later = leaving.zip(entering).enumerate().filter_map(move |(at, (old, new))| {
            let gone = drop.wrapping_mul(u64::from(*old).wrapping_add(1));
            hash = step(hash, *new).wrapping_sub(gone);
            (hash == roll).then_some(at + 1)
        });
        (first == Some(roll)).then_some(0).into_iter().chain(later)
    }

    fn find(&self, text: &[u16]) -> Option<usize> {
        self.candidates(text).find(|at| self.confirm(text, *at))
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
        first.candidates(raw).find_map(|start| self.match_at(raw, start, rest)).unwrap_or(raw.len())
    }

    /// End of the anchor's pieces if they stand at `start`, with any whitespace between them.
    fn match_at(&self, raw: &[u16], start: usize, rest: &[Literal]) -> Option<usize> {
        let first = self.pieces.first()?;
        let mut places = Vec::with_capacity(self.pieces.len());
        places.push((first, start));
        let mut end = start + first.len;
        for piece in rest {
            let gap = raw.get(end..).unwrap_or_default();
            end += gap.iter().take_while(|unit| js::is_space_unit(**unit)).count();
            if !piece.may_be_at(raw, end) {
                return None;
            }
            places.push((piece, end));
            end += piece.len;
        }
        places.iter().all(|(piece, at)| piece.confirm(raw, *at)).then_some(end)
    }

    /// End of the last occurrence in a normalised text.
    pub(super) fn cut_normal(&self, normal: &[u16]) -> Option<usize> {
        let all: Vec<_> = self.normal.candidates(normal).collect();
        let last = all.into_iter().rev().find(|at| self.normal.confirm(normal, *at));
        last.map(|at| at + self.normal.len)
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
