//! Let in or turned away, with which status and error body.

use serde_json::{Value, json};

use super::{Outcome, plain, response};
use crate::{
    difference::{Difference, DifferenceKind},
    observation::{Admission, Observation},
};

pub(super) fn compare(control: &Observation, candidate: &Observation) -> Outcome {
    use Admission::{Admitted, Rejected, Unknown};
    match (&control.admission, &candidate.admission) {
        (Unknown, _) => Err("the control's admission is not known".into()),
        (_, Unknown) => Err("the candidate's admission is not known".into()),
        (Admitted, Admitted) => Ok(Vec::new()),
        (Rejected { status: a, body: x }, Rejected { status: b, body: y }) => {
            let mut found: Vec<Difference> = Vec::new();
            found.extend(super::value("/status", a, b));
            let mut found = plain(found);
            found.extend(response::bodies("/body", x, y)?);
            Ok(found)
        }
        (a, b) => Ok(plain(vec![Difference::between(
            DifferenceKind::Value,
            "/outcome",
            shown(a),
            shown(b),
        )])),
    }
}

/// One side let the request in, the other did not.
pub(super) fn parted(control: &Observation, candidate: &Observation) -> bool {
    let known = |side: &Observation| side.admission != Admission::Unknown;
    known(control) && known(candidate) && refused(control) != refused(candidate)
}

pub(super) fn refused(side: &Observation) -> bool {
    matches!(side.admission, Admission::Rejected { .. })
}

fn shown(admission: &Admission) -> Value {
    match admission {
        Admission::Rejected { status, body } => {
            let body = body.json().or_else(|| body.text().map(Value::from));
            json!({ "outcome": "rejected", "status": status, "body": body })
        }
        Admission::Admitted => json!({ "outcome": "admitted" }),
        Admission::Unknown => json!({ "outcome": "unknown" }),
    }
}
