//! Which member of one list is which of another, so that one left-out member does not shift the rest.
//!
//! Equal stretches are found by `similar`; what lies between them is paired by likeness with dynamic
//! programming, as long as that is small, and in order otherwise.

use similar::{Algorithm, DiffOp, capture_diff};

/// One step through both lists; numbers are places in the control and in the candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alignment {
    /// The same on both sides.
    Same(usize, usize),
    /// The same member, changed.
    Changed(usize, usize),
    /// Only in the control.
    Missing(usize),
    /// Only in the candidate.
    Extra(usize),
}

/// Most pairs that are weighed between two equal stretches.
const PAIRS: usize = 40_000;
/// Members less alike than this are different members.
const ALIKE: f64 = 0.15;

/// Aligns two lists.
pub fn align<T>(
    a: &[T],
    b: &[T],
    same: impl Fn(&T, &T) -> bool,
    likeness: impl Fn(&T, &T) -> f64,
) -> Vec<Alignment> {
    let (x, y) = numbered(a, b, &same);
    let mut steps = Vec::with_capacity(a.len().max(b.len()));
    let mut gap: (Vec<usize>, Vec<usize>) = Default::default();
    for op in capture_diff(Algorithm::Myers, &x, 0..x.len(), &y, 0..y.len()) {
        match op {
            DiffOp::Equal { old_index, new_index, len } => {
                steps.extend(between(std::mem::take(&mut gap), a, b, &likeness));
                steps.extend((0..len).map(|n| Alignment::Same(old_index + n, new_index + n)));
            }
            DiffOp::Delete { old_index, old_len, .. } => {
                gap.0.extend(old_index..old_index + old_len);
            }
            DiffOp::Insert { new_index, new_len, .. } => {
                gap.1.extend(new_index..new_index + new_len);
            }
            DiffOp::Replace { old_index, old_len, new_index, new_len } => {
                gap.0.extend(old_index..old_index + old_len);
                gap.1.extend(new_index..new_index + new_len);
            }
        }
    }
    steps.extend(between(gap, a, b, &likeness));
    steps
}

/// Equal members get equal numbers. Quadratic only in members that differ.
fn numbered<T>(a: &[T], b: &[T], same: &impl Fn(&T, &T) -> bool) -> (Vec<usize>, Vec<usize>) {
    let mut kinds: Vec<&T> = Vec::new();
    let (mut x, mut y) = (Vec::with_capacity(a.len()), Vec::with_capacity(b.len()));
    // Nearly all streams agree: a common start and end need no search.
    let start = a.iter().zip(b).take_while(|(a, b)| same(a, b)).count();
    let tail = |list: &[T]| list.len() - start;
    let end = a
        .iter()
        .rev()
        .zip(b.iter().rev())
        .take(tail(a).min(tail(b)))
        .take_while(|(a, b)| same(a, b))
        .count();
    let outer = |at: usize, len: usize| {
        if at < start {
            Some(at)
        } else if at >= len - end {
            Some(usize::MAX - (len - at))
        } else {
            None
        }
    };
    for (list, out) in [(a, &mut x), (b, &mut y)] {
        for (at, member) in list.iter().enumerate() {
            out.push(outer(at, list.len()).unwrap_or_else(|| {
                let known = kinds.iter().position(|kind| same(kind, member));
                start
                    + known.unwrap_or_else(|| {
                        kinds.push(member);
                        kinds.len() - 1
                    })
            }));
        }
    }
    (x, y)
}

fn between<T>(
    (old, new): (Vec<usize>, Vec<usize>),
    a: &[T],
    b: &[T],
    likeness: &impl Fn(&T, &T) -> f64,
) -> Vec<Alignment> {
    if old.is_empty() || new.is_empty() || old.len() * new.len() > PAIRS {
        let pairs = if old.len() == new.len() { old.len() } else { 0 };
        let changed = (0..pairs).map(|n| Alignment::Changed(old[n], new[n]));
        let missing = old[pairs..].iter().map(|i| Alignment::Missing(*i));
        return changed
            .chain(missing)
            .chain(new[pairs..].iter().map(|j| Alignment::Extra(*j)))
            .collect();
    }
    // best[i][j]: the most likeness that old[i..] and new[j..] can be paired to.
    let width = new.len() + 1;
    let mut alike = vec![0.0; old.len() * new.len()];
    let mut best = vec![0.0; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            let here = likeness(&a[old[i]], &b[new[j]]);
            alike[i * new.len() + j] = here;
            let pair = if here >= ALIKE { here + best[(i + 1) * width + j + 1] } else { 0.0 };
            best[i * width + j] = pair.max(best[(i + 1) * width + j]).max(best[i * width + j + 1]);
        }
    }
    let (mut i, mut j, mut steps) = (0, 0, Vec::new());
    while i < old.len() && j < new.len() {
        let here = alike[i * new.len() + j];
        let value = best[i * width + j];
        if here >= ALIKE && (here + best[(i + 1) * width + j + 1] - value).abs() < 1e-9 {
            steps.push(Alignment::Changed(old[i], new[j]));
            (i, j) = (i + 1, j + 1);
        } else if (best[(i + 1) * width + j] - value).abs() < 1e-9 {
            steps.push(Alignment::Missing(old[i]));
            i += 1;
        } else {
            steps.push(Alignment::Extra(new[j]));
            j += 1;
        }
    }
    steps.extend(old[i..].iter().map(|i| Alignment::Missing(*i)));
    steps.extend(new[j..].iter().map(|j| Alignment::Extra(*j)));
    steps
}
