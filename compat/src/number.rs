//! Numbers as JavaScript writes and reads them: amounts in Redis and in JSON records carry its spelling,
//! and stored text is read by leading digits.

use serde_json::{Number, Value};

pub use ::js::{parse_float, parse_int, parse_number, print as js, round, round6, to_fixed};

/// JSON value of a number with [`js`] spelling; not-a-number and infinities are `null`, as in
/// `JSON.stringify`.
pub fn json(value: f64) -> Value {
    if !value.is_finite() {
        return Value::Null;
    }
    js(value).parse::<Number>().map_or(Value::Null, Value::Number)
}
