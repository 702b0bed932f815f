//! Reader of `tables.bin`.
//!
//! All numbers are little-endian `u16` unless noted. The file starts with the number of templates.
//! Each template: length without whitespace; 0, or 1 followed by the anchor (a literal, the number of
//! its pieces, the pieces as literals, the normalised anchor as a literal); 1 when the template has a
//! placeholder, else 0; number of parts between placeholders, the parts as literals; number of
//! distinct bigrams; per bigram both units and its count, ascending. A literal is a length, the `u64`
//! rolling hash and eight bytes of SHA-256.

use super::literal::{Anchor, Literal};

const TABLES: &[u8] = include_bytes!("tables.bin");
const BIGRAM_BYTES: usize = 6;

/// What is known of one template.
pub(super) struct Template<'t> {
    /// Length in UTF-16 units, whitespace not counted.
    pub dense_len: usize,
    /// Present when the template ends in a placeholder.
    pub anchor: Option<Anchor>,
    pub has_placeholder: bool,
    /// Non-empty pieces between placeholders, without whitespace.
    pub parts: Vec<Literal>,
    bigrams: &'t [u8],
}

impl Template<'_> {
    /// Size of the multiset intersection with `bigrams`, which must be ascending.
    pub(super) fn shared(&self, bigrams: &[(u32, usize)]) -> usize {
        let mut ours = bigrams.iter().copied().peekable();
        let mut shared = 0;
        for (bigram, count) in self.counts() {
            while ours.next_if(|(b, _)| *b < bigram).is_some() {}
            if let Some((_, n)) = ours.next_if(|(b, _)| *b == bigram) {
                shared += n.min(count);
            }
        }
        shared
    }

    /// Bigrams, ascending, with how often each occurs.
    pub(super) fn counts(&self) -> impl Iterator<Item = (u32, usize)> {
        self.bigrams.chunks_exact(BIGRAM_BYTES).filter_map(|row| {
            let mut row = Reader(row);
            let (first, second, count) = (row.u16()?, row.u16()?, row.u16()?);
            Some((u32::from(first) << 16 | u32::from(second), usize::from(count)))
        })
    }
}

/// Iterator over the templates of the file.
pub(super) struct Templates(Reader<'static>, u16);

impl Templates {
    pub(super) fn new() -> Self {
        let mut reader = Reader(TABLES);
        let left = reader.u16().unwrap_or_default();
        Self(reader, left)
    }
}

impl Iterator for Templates {
    type Item = Template<'static>;

    fn next(&mut self) -> Option<Self::Item> {
        self.1 = self.1.checked_sub(1)?;
        let reader = &mut self.0;
        let dense_len = usize::from(reader.u16()?);
        let anchor = match reader.u16()? {
            0 => None,
            _ => Some(Anchor {
                exact: reader.literal()?,
                pieces: reader.literals()?,
                normal: reader.literal()?,
            }),
        };
        let has_placeholder = reader.u16()? == 1;
        let parts = reader.literals()?;
        let rows = usize::from(reader.u16()?);
        let bigrams = reader.take(rows * BIGRAM_BYTES)?;
        Some(Template { dense_len, anchor, has_placeholder, parts, bigrams })
    }
}

struct Reader<'t>(&'t [u8]);

impl<'t> Reader<'t> {
    fn take(&mut self, len: usize) -> Option<&'t [u8]> {
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn literal(&mut self) -> Option<Literal> {
        let len = usize::from(self.u16()?);
        Some(Literal { len, roll: u64::from_le_bytes(self.array()?), digest: self.array()? })
    }

    fn literals(&mut self) -> Option<Vec<Literal>> {
        let count = self.u16()?;
        (0..count).map(|_| self.literal()).collect()
    }
}
