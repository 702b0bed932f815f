//! Which account was chosen. Reasons are for people and are not compared.

use super::{Outcome, plain, value};
use crate::{
    difference::Difference,
    observation::{Admission, Observation},
};

pub(super) fn compare(control: &Observation, candidate: &Observation) -> Outcome {
    match (&control.account, &candidate.account) {
        (None, None) if control.admission == Admission::Unknown => {
            Err("the account of neither side is known".into())
        }
        (None, None) => Ok(Vec::new()),
        (Some(a), None) => Ok(plain(vec![Difference::missing("/account", a.id.clone())])),
        (None, Some(b)) => Ok(plain(vec![Difference::extra("/account", b.id.clone())])),
        (Some(a), Some(b)) => {
            let mut found = Vec::new();
            found.extend(value("/platform", &a.platform, &b.platform));
            found.extend(value("/kind", &a.kind, &b.kind));
            found.extend(value("/id", &a.id, &b.id));
            Ok(plain(found))
        }
    }
}

/// Both chose, and not the same.
pub(super) fn parted(control: &Observation, candidate: &Observation) -> bool {
    match (&control.account, &candidate.account) {
        (Some(a), Some(b)) => (&a.kind, &a.id) != (&b.kind, &b.id),
        _ => false,
    }
}
