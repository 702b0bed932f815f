//! Sums of money that are exact, so that merged increments add up to the single ones.

use std::{fmt, ops::AddAssign};

/// Decimal places kept. Redis itself keeps 17 after each `INCRBYFLOAT`.
const PLACES: i32 = 27;

/// A sum of amounts in USD, in steps of 1e-27.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount(i128);

impl Amount {
    /// The decimal that a double prints as (not its binary value): what the legacy service sends.
    pub(super) fn from_f64(value: f64) -> Self {
        let text = format!("{value:e}");
        let Some((mantissa, exponent)) = text.split_once('e') else { return Self(0) };
        let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
        let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let (Ok(digits), Ok(exponent), Ok(fraction)) =
            (digits.parse::<i128>(), exponent.parse::<i32>(), i32::try_from(fraction))
        else {
            return Self(0);
        };
        let shift = exponent.saturating_sub(fraction).saturating_add(PLACES);
        let scale = 10_i128.checked_pow(shift.unsigned_abs());
        Self(match (shift >= 0, scale) {
            (true, Some(scale)) => digits.saturating_mul(scale),
            (false, Some(scale)) => digits / scale,
            (true, None) => i128::MAX,
            (false, None) => 0,
        })
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        self.0 = self.0.saturating_add(other.0);
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = usize::try_from(PLACES).unwrap_or(0);
        let sign = if self.0 < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", self.0.unsigned_abs(), width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        let fraction = fraction.trim_end_matches('0');
        let dot = if fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{whole}{dot}{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(&[0.1, 0.2], "0.3")]
    #[case(&[1e-7], "0.0000001")]
    #[case(&[0.010499999999999999], "0.010499999999999999")]
    #[case(&[22.05, 0.0], "22.05")]
    #[case(&[-1.5, 0.25], "-1.25")]
    #[case(&[f64::NAN], "0")]
    #[case(&[1e300], "170141183460.469231731687303715884105727")]
    fn sums_are_exact(#[case] values: &[f64], #[case] text: &str) {
        let mut sum = Amount::default();
        values.iter().for_each(|value| sum += Amount::from_f64(*value));
        assert_eq!(sum.to_string(), text);
    }

    proptest! {
        #[test]
        fn one_amount_keeps_its_double(value in 1e-8_f64..1e6) {
            prop_assert_eq!(Amount::from_f64(value).to_string().parse::<f64>(), Ok(value));
        }
    }
}
