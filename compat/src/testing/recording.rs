//! Recordings of what the legacy service did to a database: laying one out, holding ours against it.

use std::collections::HashMap;

use super::Stored;
use crate::store::{Batch, Cmd, Store};

/// Changed keys; `None` for those that are gone.
pub type Changes = HashMap<String, Option<Stored>>;

/// Empties the database and does the recording's commands.
///
/// # Panics
/// When Redis refuses one.
#[expect(clippy::expect_used, reason = "tests")]
pub async fn lay_out(store: &dyn Store, commands: &[Vec<String>]) {
    let mut setup = Batch::from(Cmd::new("FLUSHALL"));
    for words in commands {
        setup.push(Cmd::Words(words.iter().map(|word| word.clone().into()).collect()));
    }
    store.run(setup).await.expect("Redis takes a recording's commands");
}

/// The first key, in order, of which ours and the recorded change are not the same, with both. Keys for
/// which `excused` holds may differ.
///
/// # Errors
/// That key.
pub fn equal(
    ours: &Changes,
    legacy: &Changes,
    excused: impl Fn(&str) -> bool,
) -> Result<(), String> {
    let mut keys: Vec<&String> = ours.keys().chain(legacy.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys.into_iter().filter(|key| !excused(key)) {
        let (ours, legacy) = (ours.get(key), legacy.get(key));
        let same = match (ours, legacy) {
            (Some(Some(a)), Some(Some(b))) => a.matches(b),
            (Some(None), Some(None)) => true,
            _ => false,
        };
        if !same {
            return Err(format!("{key}: {ours:?}, legacy: {legacy:?}"));
        }
    }
    Ok(())
}

/// Fails with every case that differs.
///
/// # Panics
/// When one does.
pub fn conclude(wrong: &[String], all: usize) {
    assert!(wrong.is_empty(), "{} of {all} differ:\n{}", wrong.len(), wrong.join("\n"));
}
