//! How much a system text resembles the prompts that Claude Code is known to send.
//!
//! The legacy service compares a text with 29 templates (`src/utils/contents.js`) by Sørensen–Dice
//! over character bigrams. The templates themselves are not part of this project: `tables.bin` holds
//! only what the measure needs (bigram counts, and hashes of the literal pieces between
//! placeholders). This module must not keep, log or return any part of the texts it is given.
//!
//! Everything works on UTF-16 units, as the legacy service does, so that bigrams and the 30-unit
//! anchor are cut at the same places.

mod literal;
mod table;

#[cfg(test)]
mod tests;

use table::{Template, Templates};

const PLACEHOLDER: &str = "__PLACEHOLDER__";

/// Best similarity of `text` against all templates, 0 to 1 (`contract/anthropic.md §3.2`).
pub fn best_similarity(text: &str) -> f64 {
    let input = Input::new(text);
    let mut best = 0.0;
    for template in Templates::new() {
        best = f64::max(best, input.score(&template, best));
    }
    best
}

/// Whether [`best_similarity`] is at least `threshold`; stops at the first template that is.
pub fn reaches(text: &str, threshold: f64) -> bool {
    if threshold <= 0.0 {
        return true;
    }
    let input = Input::new(text);
    Templates::new().any(|template| input.score(&template, threshold) >= threshold)
}

/// A text prepared for comparison with many templates.
struct Input {
    raw: Vec<u16>,
    whole: Prepared,
}

/// A normalised text, the same without whitespace, and how often each bigram occurs, ascending.
struct Prepared {
    /// Whitespace collapsed to one space, trimmed, placeholder tokens gone.
    normal: Vec<u16>,
    dense: Vec<u16>,
    bigrams: Vec<(u32, usize)>,
}

impl Input {
    fn new(text: &str) -> Self {
        let raw: Vec<u16> = text.encode_utf16().collect();
        let whole = Prepared::new(normalise(&raw));
        Self { raw, whole }
    }

    /// Similarity with one template. May return 0 instead of any score below `floor`.
    fn score(&self, template: &Template<'_>, floor: f64) -> f64 {
        let Some(anchor) = &template.anchor else {
            return self.whole.score(template, floor);
        };
        let cut = anchor.cut(&self.raw);
        let shortened =
            (cut < self.raw.len()).then(|| normalise(self.raw.get(..cut).unwrap_or(&self.raw)));
        let normal = shortened.as_deref().unwrap_or(&self.whole.normal);
        match anchor.cut_normal(normal) {
            Some(end) => {
                let kept = collapse(normal.get(..end).unwrap_or(normal));
                Prepared::new(kept).score(template, floor)
            }
            None => match shortened {
                Some(normal) => Prepared::new(normal).score(template, floor),
                None => self.whole.score(template, floor),
            },
        }
    }
}

impl Prepared {
    fn new(normal: Vec<u16>) -> Self {
        let dense: Vec<u16> = normal.iter().copied().filter(|u| !js::is_space_unit(*u)).collect();
        let mut all: Vec<u32> =
            dense.windows(2).map(|w| u32::from(w[0]) << 16 | u32::from(w[1])).collect();
        all.sort_unstable();
        let mut bigrams: Vec<(u32, usize)> = Vec::with_capacity(all.len().min(1024));
        for bigram in all {
            match bigrams.last_mut() {
                Some((last, count)) if *last == bigram => *count += 1,
                _ => bigrams.push((bigram, 1)),
            }
        }
        Self { normal, dense, bigrams }
    }

    fn score(&self, template: &Template<'_>, floor: f64) -> f64 {
        let (ours, theirs) = (self.dense.len(), template.dense_len);
        let total = (ours + theirs).saturating_sub(2) as f64;
        let ceiling = 2.0 * ours.min(theirs).saturating_sub(1) as f64 / total;
        if !template.has_placeholder && ceiling < floor {
            return 0.0;
        }
        let shared = template.shared(&self.bigrams);
        // Only a text that holds every bigram of every part can hold the parts themselves.
        let parts = &template.parts;
        if template.has_placeholder
            && shared + parts.len() >= theirs
            && literal::in_order(&self.dense, parts)
        {
            return 1.0;
        }
        if ours < 2 || theirs < 2 {
            return 0.0;
        }
        2.0 * shared as f64 / total
    }
}

/// Drops placeholder tokens (each becomes a space), collapses whitespace and trims.
fn normalise(raw: &[u16]) -> Vec<u16> {
    let token: Vec<u16> = PLACEHOLDER.encode_utf16().collect();
    let first = token.first().copied().unwrap_or_default();
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((unit, tail)) = rest.split_first() {
        if *unit == first && rest.starts_with(&token) {
            push_collapsed(&mut out, u16::from(b' '));
            rest = rest.get(token.len()..).unwrap_or_default();
        } else {
            push_collapsed(&mut out, *unit);
            rest = tail;
        }
    }
    trim_end(&mut out);
    out
}

fn collapse(units: &[u16]) -> Vec<u16> {
    let mut out = Vec::with_capacity(units.len());
    units.iter().for_each(|unit| push_collapsed(&mut out, *unit));
    trim_end(&mut out);
    out
}

fn push_collapsed(out: &mut Vec<u16>, unit: u16) {
    let space = u16::from(b' ');
    if !js::is_space_unit(unit) {
        out.push(unit);
    } else if out.last().is_some_and(|last| *last != space) {
        out.push(space);
    }
}

fn trim_end(out: &mut Vec<u16>) {
    if out.last() == Some(&u16::from(b' ')) {
        out.pop();
    }
}
