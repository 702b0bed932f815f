//! Numbers as Redis 7 reads, adds and prints them.
//!
//! Amounts of `INCRBYFLOAT` are 80-bit floats there; [`Wide`] has the same 64 bits of mantissa, so sums
//! come out digit by digit the same. Limits: numbers beyond 38 digits or 2^63, and `inf`, go by way
//! of `f64`.

use super::resp::Fail;

/// `string2ll`: no spaces, no plus, no leading zeros.
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let plain = match digits {
        [b'0'] => text.len() == 1,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if plain { std::str::from_utf8(text).ok()?.parse().ok() } else { None }
}

/// An integer argument.
pub(super) fn int_arg(text: &[u8]) -> Result<i64, Fail> {
    integer(text).ok_or_else(Fail::not_an_integer)
}

/// `strtod` over the whole text, as far as commands use it: decimal, `inf`, no NaN.
pub(super) fn double(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    if text.is_empty() || text.starts_with(char::is_whitespace) {
        return None;
    }
    let number: f64 = text.parse().ok()?;
    (!number.is_nan()).then_some(number)
}

/// `%.17g`, as replies and arguments of scripts print doubles.
pub(super) fn print_double(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number == 0.0 {
        return if number.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    if number.fract() == 0.0 && number.abs() < 1e15 {
        return format!("{number:.0}");
    }
    let scientific = format!("{number:.16e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..17).contains(&exponent) {
        let decimals = usize::try_from(16 - exponent).unwrap_or(0);
        return trim(&format!("{number:.decimals$}")).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trim(mantissa), exponent.abs())
}

/// A number of a script as an integer reply. What does not fit becomes the smallest integer, as the
/// processor has it.
pub(super) fn truncate(number: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    #[expect(clippy::cast_possible_truncation, reason = "the fraction is dropped, as in Redis")]
    if (-LIMIT..LIMIT).contains(&number) { number as i64 } else { i64::MIN }
}

/// Without zeros at the end of the fraction.
fn trim(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// Sum of two decimal texts as `INCRBYFLOAT` stores it; `None` when one is no number.
/// `Some(Err)` when the sum is no finite number.
pub(super) fn add_floats(a: &[u8], b: &[u8]) -> Option<Result<String, Fail>> {
    let (x, y) = (double(a)?, double(b)?);
    if let (Some(a), Some(b)) = (Wide::parse(a), Wide::parse(b))
        && let Some(text) = a.add(b).print()
    {
        return Some(Ok(text));
    }
    let sum = x + y;
    if sum.is_finite() {
        return Some(Ok(trim(&format!("{sum:.17}")).to_owned()));
    }
    Some(Err(Fail::from("ERR increment would produce NaN or Infinity")))
}

/// A float with 64 bits of mantissa: `mantissa * 2^exponent`; the mantissa's top bit is set unless 0.
#[derive(Clone, Copy)]
struct Wide {
    negative: bool,
    mantissa: u64,
    exponent: i32,
}

impl Wide {
    fn parse(text: &[u8]) -> Option<Self> {
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let text = std::str::from_utf8(text).ok()?;
        let (digits, power) = match text.split_once(['e', 'E']) {
            Some((digits, power)) => (digits, power.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let fraction = fraction.trim_end_matches('0');
        let mut number: u128 = 0;
        for digit in whole.bytes().chain(fraction.bytes()) {
            let digit = digit.is_ascii_digit().then(|| u128::from(digit - b'0'))?;
            number = number.checked_mul(10)?.checked_add(digit)?;
        }
        let scale = power.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        let mut divisor: u128 = 1;
        for _ in 0..scale.unsigned_abs().min(39) {
            if scale > 0 {
                number = number.checked_mul(10)?;
            } else {
                divisor = divisor.checked_mul(10)?;
            }
        }
        if scale.abs() > 38 || divisor > u128::MAX >> 2 || number > u128::MAX >> 2 {
            return (number == 0).then_some(Self { negative, mantissa: 0, exponent: 0 });
        }
        // Long division, one bit at a time, until the quotient has 66 bits.
        let (mut quotient, mut rest, mut exponent) = (number / divisor, number % divisor, 0);
        while quotient < 1 << 65 && (rest != 0 || quotient != 0) && exponent > -400 {
            rest <<= 1;
            quotient = quotient << 1 | u128::from(rest >= divisor);
            if rest >= divisor {
                rest -= divisor;
            }
            exponent -= 1;
        }
        Some(Self::round(negative, quotient, exponent, rest != 0))
    }

    /// Half to even; `more` tells of lower bits that were cut off.
    fn round(negative: bool, mut bits: u128, mut exponent: i32, mut more: bool) -> Self {
        if bits == 0 {
            return Self { negative, mantissa: 0, exponent: 0 };
        }
        let excess = 64 - i32::try_from(bits.leading_zeros()).unwrap_or(0);
        if excess < 0 {
            // Exact: whoever cuts bits off leaves more than 64.
            bits <<= excess.unsigned_abs();
            exponent += excess;
        } else if excess > 0 {
            let cut = bits & ((1 << excess) - 1);
            let half = 1 << (excess - 1);
            bits >>= excess;
            exponent += excess;
            more |= cut & (half - 1) != 0;
            if cut & half != 0 && (more || bits & 1 == 1) {
                bits += 1;
                if bits >> 64 != 0 {
                    bits >>= 1;
                    exponent += 1;
                }
            }
        }
        Self { negative, mantissa: u64::try_from(bits).unwrap_or(u64::MAX), exponent }
    }

    fn add(self, other: Self) -> Self {
        if self.mantissa == 0 {
            return other;
        }
        if other.mantissa == 0 {
            return self;
        }
        let (high, low) =
            if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        // 62 bits of room keep the sum within 127 bits.
        let apart = high.exponent - low.exponent;
        let raised = apart.min(62);
        let lowered = apart - raised;
        let big = u128::from(high.mantissa) << raised;
        let small = u128::from(low.mantissa);
        let (small, more) = if lowered >= 64 {
            (0, true)
        } else {
            (small >> lowered, small & ((1 << lowered) - 1) != 0)
        };
        let exponent = high.exponent - raised;
        if high.negative == low.negative {
            return Self::round(high.negative, big + small, exponent, more);
        }
        if big >= small {
            // What was cut off makes the difference a little smaller.
            let less = u128::from(more);
            return Self::round(high.negative, big - small - less, exponent, more);
        }
        Self::round(low.negative, small - big, exponent, more)
    }

    /// `%.17Lf` without zeros at the end; `None` beyond 2^63.
    fn print(self) -> Option<String> {
        let bits = u128::from(self.mantissa);
        let (whole, fraction) = match self.exponent {
            0.. => {
                (self.mantissa == 0 || self.exponent <= 62).then_some(())?;
                (bits << self.exponent, 0)
            }
            down => {
                let shift = down.unsigned_abs();
                if shift > 126 {
                    (0, 0)
                } else {
                    let one = 1_u128 << shift;
                    let scaled = (bits & (one - 1)) * 100_000_000_000_000_000;
                    let (quotient, rest) = (scaled >> shift, scaled & (one - 1));
                    let half = one >> 1;
                    let up = rest > half || rest == half && quotient & 1 == 1;
                    (bits >> shift, quotient + u128::from(up))
                }
            }
        };
        let (whole, fraction) = match fraction {
            100_000_000_000_000_000 => (whole + 1, 0),
            fraction => (whole, fraction),
        };
        let text = format!("{whole}.{fraction:017}");
        let text = trim(&text);
        Some(if self.negative && text != "0" { format!("-{text}") } else { text.to_owned() })
    }
}
/// An ISO moment such as `2026-03-01T12:00:00.000Z`, as epoch milliseconds.
pub(super) fn moment(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() == 24)?;
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}
