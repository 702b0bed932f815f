//! Numbers as text.

/// Text of a number as JavaScript prints it: shortest digits that read back to the same double, plain
/// notation from 1e-6 up to 1e21 (`1`, `1.5`, `0.000001`, `1e-7`).
pub fn print(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    if !value.is_finite() {
        return if value.is_nan() {
            "NaN".into()
        } else if value > 0.0 {
            "Infinity".into()
        } else {
            "-Infinity".into()
        };
    }
    let mut buffer = zmij::Buffer::new();
    let shortest = buffer.format_finite(value.abs());
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let written = [whole, fraction].concat();
    let significant = written.trim_start_matches('0');
    let leading = length(&written) - length(significant);
    let point = exponent.parse::<i32>().unwrap_or(0) + length(whole) - leading;
    let mut text = String::with_capacity(32);
    if value < 0.0 {
        text.push('-');
    }
    place_point(&mut text, significant.trim_end_matches('0'), point);
    text
}

fn length(text: &str) -> i32 {
    i32::try_from(text.len()).unwrap_or(i32::MAX)
}

/// Writes digits with the decimal point `point` digits from their left, by the rules of
/// `Number::toString`.
fn place_point(out: &mut String, digits: &str, point: i32) {
    let count = length(digits);
    if (count..=21).contains(&point) {
        out.push_str(digits);
        out.extend((count..point).map(|_| '0'));
    } else if (1..=21).contains(&point) {
        let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
        out.extend([whole, ".", fraction]);
    } else if (-5..=0).contains(&point) {
        out.push_str("0.");
        out.extend((point..0).map(|_| '0'));
        out.push_str(digits);
    } else {
        let exponent = point - 1;
        let sign = if exponent < 0 { "-" } else { "+" };
        let (first, rest) = digits.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        out.extend([first, dot, rest, "e", sign, &exponent.abs().to_string()]);
    }
}

/// `Number(value.toFixed(6))`: rounds to six decimals, exact halves away from zero.
pub fn round6(value: f64) -> f64 {
    if !value.is_finite() || value.abs() >= 1e21 {
        return value;
    }
    // The product is off by at most one in 2^53. When that cannot carry it over a half, the nearest
    // whole number is the right one, and dividing it gives the double nearest to the decimal.
    let scaled = value.abs() * 1e6;
    if scaled < 1e9 && (scaled.fract() - 0.5).abs() > 1e-6 {
        return (scaled.round() / 1e6).copysign(value);
    }
    to_fixed(value, 6).parse().unwrap_or(value)
}

/// `value.toFixed(places)` for ordinary amounts: decimal, ties away from zero, no exponent.
pub fn to_fixed(value: f64, places: usize) -> String {
    // 60 digits after the point spell every tie of two places exactly.
    let exact = format!("{:.60}", value.abs());
    let Some(point) = exact.find('.') else { return exact };
    let cut = point + 1 + places;
    let mut digits: Vec<u8> = exact.as_bytes()[..cut].to_vec();
    if exact.as_bytes()[cut] >= b'5' {
        let mut carry = true;
        for digit in digits.iter_mut().rev().filter(|digit| **digit != b'.') {
            if *digit == b'9' {
                *digit = b'0';
            } else {
                *digit += 1;
                carry = false;
                break;
            }
        }
        if carry {
            digits.insert(0, b'1');
        }
    }
    if places == 0 {
        digits.pop();
    }
    let text = String::from_utf8_lossy(&digits).into_owned();
    if value < 0.0 { format!("-{text}") } else { text }
}

/// `Math.round`: to the nearest integer, halves upwards.
pub fn round(value: f64) -> f64 {
    let floor = value.floor();
    if value - floor >= 0.5 { floor + 1.0 } else { floor }
}

#[cfg(test)]
mod tests;
