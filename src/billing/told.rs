//! A price as a price file tells it. Only a number is a price, but the legacy service calculates with
//! whatever stands there, as JavaScript does; its calculators differ in what they make of that. Nothing here
//! knows a model.

use compat::js;
use serde_json::Value;

/// What stands where a price should. `null` is like nothing at all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Told {
    amount: f64,
    is_number: bool,
    counts: bool,
}

impl Told {
    /// A price, USD per token, or a factor.
    pub fn number(amount: f64) -> Self {
        Self { amount, is_number: true, counts: amount != 0.0 && !amount.is_nan() }
    }

    /// What a value of the file tells; `None` for `null`.
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Null => None,
            // Beyond the largest double there is infinity.
            Value::Number(number) => number.to_string().parse().ok().map(Self::number),
            other => Some(Self {
                amount: js::number(Some(other)),
                is_number: false,
                counts: js::truthy(Some(other)),
            }),
        }
    }

    /// The number that calculations see; not-a-number for what is none.
    pub fn amount(self) -> f64 {
        self.amount
    }

    /// Whether it is a number with an end, which the detailed calculator insists on.
    pub(super) fn is_finite_number(self) -> bool {
        self.is_number && self.amount.is_finite()
    }

    /// Whether a condition on it holds: no zero, `false` or empty text.
    pub(super) fn counts(self) -> bool {
        self.counts
    }

    /// Multiplied, which makes a number of it.
    pub(super) fn times(self, factor: f64) -> Self {
        Self::number(self.amount * factor)
    }
}

/// `a || b || 0`: the first that counts.
pub(super) fn first(told: &[Option<Told>]) -> Told {
    let found = told.iter().copied().flatten().find(|told| told.counts);
    found.unwrap_or(Told::number(0.0))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!(3e-6), 3e-6, true, true)]
    #[case(json!(0), 0.0, true, false)]
    #[case(json!("3e-06"), 3e-6, false, true)]
    #[case(json!("0"), 0.0, false, true)]
    #[case(json!(""), 0.0, false, false)]
    #[case(json!([2]), 2.0, false, true)]
    #[case(json!(false), 0.0, false, false)]
    fn values_tell(
        #[case] value: Value,
        #[case] amount: f64,
        #[case] finite: bool,
        #[case] counts: bool,
    ) {
        let told = Told::of(&value).unwrap();
        assert_eq!(
            (told.amount(), told.is_finite_number(), told.counts()),
            (amount, finite, counts)
        );
        assert!(told.times(2.0).is_finite_number());
    }

    #[test]
    fn what_is_no_number_spoils_the_sum() {
        let told = Told::of(&json!("free")).unwrap();
        assert!(told.amount().is_nan() && told.counts());
        let huge: Value = serde_json::from_str("1e999").unwrap();
        assert_eq!(Told::of(&huge).unwrap().amount(), f64::INFINITY);
        assert!(first(&[None, Some(Told::number(0.0)), Some(told)]).counts());
        assert_eq!(first(&[None]), Told::number(0.0));
    }
}
