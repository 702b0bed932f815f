//! Which event of one stream is which of the other, so that one left-out event does not shift the rest.
//!
//! Events are compared by hashes of their leaves. A path whose values have nothing in common between
//! the two sides (an id made up per run, in every event) does not count for the first pass, which is
//! a shortest edit script. What it leaves open is paired by likeness while that is small, and in
//! order otherwise.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use similar::{Algorithm, DiffOp, capture_diff_slices_deadline};

/// One step through both lists; numbers are places in the control and in the candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alignment {
    /// The same event, changed or not.
    Pair(usize, usize),
    /// Only in the control.
    Missing(usize),
    /// Only in the candidate.
    Extra(usize),
}

/// What alignment knows of an event.
#[derive(Clone, Debug)]
pub(super) struct Sketch {
    /// Hash of what the event is called.
    pub label: u64,
    /// Hashes of each leaf's path, and of path and value.
    pub leaves: Vec<(u64, u64)>,
}

/// Most pairs that are weighed in one gap.
const PAIRS: usize = 40_000;
/// Leaves that are looked at to weigh a pair.
const LEAVES: usize = 48;
/// Events less alike than this are different events.
const ALIKE: f64 = 0.15;
/// Longest search for the shortest script; beyond, it may not be the shortest.
const LONGEST: Duration = Duration::from_millis(500);

/// Aligns two lists.
pub(super) fn align(a: &[Sketch], b: &[Sketch]) -> Vec<Alignment> {
    let made_up = made_up(a, b);
    let steady = |list: &[Sketch]| -> Vec<u64> {
        list.iter().map(|sketch| steady(sketch, &made_up)).collect()
    };
    let (x, y) = (steady(a), steady(b));
    let deadline = Some(Instant::now() + LONGEST);
    let mut steps = Vec::with_capacity(a.len().max(b.len()));
    let mut gap: (Vec<usize>, Vec<usize>) = Default::default();
    for op in capture_diff_slices_deadline(Algorithm::Myers, &x, &y, deadline) {
        if let DiffOp::Equal { old_index, new_index, len } = op {
            steps.extend(between(std::mem::take(&mut gap), a, b));
            steps.extend((0..len).map(|n| Alignment::Pair(old_index + n, new_index + n)));
        } else {
            gap.0.extend(op.old_range());
            gap.1.extend(op.new_range());
        }
    }
    steps.extend(between(gap, a, b));
    steps
}

/// Paths whose values have nothing in common between the sides.
fn made_up(a: &[Sketch], b: &[Sketch]) -> HashSet<u64> {
    let values = |list: &[Sketch]| {
        let mut values: HashMap<u64, HashSet<u64>> = HashMap::new();
        for (path, value) in list.iter().flat_map(|sketch| &sketch.leaves) {
            values.entry(*path).or_default().insert(*value);
        }
        values
    };
    let (x, y) = (values(a), values(b));
    let apart = |(path, own): (&u64, &HashSet<u64>)| {
        let theirs = y.get(path)?;
        own.is_disjoint(theirs).then_some(*path)
    };
    x.iter().filter_map(apart).collect()
}

fn steady(sketch: &Sketch, made_up: &HashSet<u64>) -> u64 {
    // Order says nothing, and a sum of well-spread hashes has none.
    let kept = sketch.leaves.iter().map(
        |(path, value)| {
            if made_up.contains(path) { *path } else { *value }
        },
    );
    kept.fold(sketch.label, u64::wrapping_add)
}

/// 0 (nothing alike) to 1 (the same); events of different names are never alike.
fn likeness(a: &Sketch, b: &Sketch) -> f64 {
    if a.label != b.label {
        return 0.0;
    }
    let few = |sketch: &Sketch| sketch.leaves.len().min(LEAVES);
    let (x, y) = (&a.leaves[..few(a)], &b.leaves[..few(b)]);
    let shared = x.iter().filter(|leaf| y.contains(leaf)).count();
    let all = x.len().max(y.len()).max(1);
    // Two events of one name are always a little alike: a changed event is no other event.
    0.2 + 0.8 * shared as f64 / all as f64
}

fn between((old, new): (Vec<usize>, Vec<usize>), a: &[Sketch], b: &[Sketch]) -> Vec<Alignment> {
    if old.is_empty() || new.is_empty() || old.len() * new.len() > PAIRS {
        let pairs = old.len().min(new.len());
        let paired = (0..pairs).map(|n| Alignment::Pair(old[n], new[n]));
        let missing = old[pairs..].iter().map(|i| Alignment::Missing(*i));
        let extra = new[pairs..].iter().map(|j| Alignment::Extra(*j));
        return paired.chain(missing).chain(extra).collect();
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
            steps.push(Alignment::Pair(old[i], new[j]));
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
