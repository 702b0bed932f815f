//! How single fields are spelled: one type per spelling.
//!
//! "Late" fields appear in a record only once they are set; the others are written at creation, as the
//! empty text when there is no value.

use std::marker::PhantomData;

use serde_json::{Map, Value};

use super::{ModelMap, Permissions, ProxyText, Sealed};
use crate::{date::date_ms, number};

/// Reads and writes the text of one field.
pub trait Codec {
    /// What the field holds in memory.
    type Value;
    /// What a regular stored text is, to complete "expected …".
    const EXPECTED: &'static str;
    /// Reads the stored text; `None` when the field is missing.
    fn read(stored: Option<&str>) -> Self::Value;
    /// The text to store, or `None` when the field is left out.
    fn write(value: &Self::Value) -> Option<String>;
    /// Whether a stored text has a form that the legacy service writes.
    fn is_regular(_stored: &str) -> bool {
        true
    }
    /// The stored text of an encrypted field.
    fn sealed(_value: &Self::Value) -> Option<&Sealed> {
        None
    }
}

/// Text; missing is empty.
pub struct Text;
impl Codec for Text {
    type Value = String;
    const EXPECTED: &'static str = "text";
    fn read(stored: Option<&str>) -> String {
        stored.unwrap_or_default().to_owned()
    }
    fn write(value: &String) -> Option<String> {
        Some(value.clone())
    }
}

/// Text that may be unset (missing or empty).
pub struct Unset;
impl Codec for Unset {
    type Value = Option<String>;
    const EXPECTED: &'static str = "text";
    fn read(stored: Option<&str>) -> Option<String> {
        stored.filter(|text| !text.is_empty()).map(str::to_owned)
    }
    fn write(value: &Option<String>) -> Option<String> {
        Some(value.clone().unwrap_or_default())
    }
}

/// A date as ISO text, or unset.
pub struct Date;
impl Codec for Date {
    type Value = Option<String>;
    const EXPECTED: &'static str = "a date";
    fn read(stored: Option<&str>) -> Option<String> {
        Unset::read(stored)
    }
    fn write(value: &Option<String>) -> Option<String> {
        Unset::write(value)
    }
    fn is_regular(stored: &str) -> bool {
        stored.is_empty() || date_ms(stored).is_some()
    }
}

/// Makes a field late: left out of the record while it has the value of a missing field.
pub struct Late<C>(PhantomData<C>);
impl<C: Codec<Value: PartialEq>> Codec for Late<C> {
    type Value = C::Value;
    const EXPECTED: &'static str = C::EXPECTED;
    fn read(stored: Option<&str>) -> C::Value {
        C::read(stored)
    }
    fn write(value: &C::Value) -> Option<String> {
        if *value == C::read(None) { None } else { C::write(value) }
    }
    fn is_regular(stored: &str) -> bool {
        stored.is_empty() || C::is_regular(stored)
    }
    fn sealed(value: &C::Value) -> Option<&Sealed> {
        C::sealed(value)
    }
}

/// Keeps a missing field apart from one that is there.
pub struct Maybe<C>(PhantomData<C>);
impl<C: Codec> Codec for Maybe<C> {
    type Value = Option<C::Value>;
    const EXPECTED: &'static str = C::EXPECTED;
    fn read(stored: Option<&str>) -> Option<C::Value> {
        stored.map(|text| C::read(Some(text)))
    }
    fn write(value: &Option<C::Value>) -> Option<String> {
        value.as_ref().and_then(C::write)
    }
    fn is_regular(stored: &str) -> bool {
        C::is_regular(stored)
    }
}

/// True when exactly `true`.
pub struct Flag;
impl Codec for Flag {
    type Value = bool;
    const EXPECTED: &'static str = "true or false";
    fn read(stored: Option<&str>) -> bool {
        stored == Some("true")
    }
    fn write(value: &bool) -> Option<String> {
        Some(value.to_string())
    }
    fn is_regular(stored: &str) -> bool {
        is_bool(stored)
    }
}

/// True unless exactly `false`.
pub struct UnlessFalse;
impl Codec for UnlessFalse {
    type Value = bool;
    const EXPECTED: &'static str = "true or false";
    fn read(stored: Option<&str>) -> bool {
        stored != Some("false")
    }
    fn write(value: &bool) -> Option<String> {
        Some(value.to_string())
    }
    fn is_regular(stored: &str) -> bool {
        is_bool(stored)
    }
}

/// True when missing or empty, else when exactly `true`.
pub struct TrueWhenUnset;
impl Codec for TrueWhenUnset {
    type Value = bool;
    const EXPECTED: &'static str = "true or false";
    fn read(stored: Option<&str>) -> bool {
        matches!(stored, None | Some("" | "true"))
    }
    fn write(value: &bool) -> Option<String> {
        Some(value.to_string())
    }
    fn is_regular(stored: &str) -> bool {
        is_bool(stored)
    }
}

/// True for `true`, `yes`, `on` in any case, and `1`.
pub struct LooseFlag;
impl Codec for LooseFlag {
    type Value = bool;
    const EXPECTED: &'static str = "true or false";
    fn read(stored: Option<&str>) -> bool {
        let text = stored.unwrap_or_default().trim().to_lowercase();
        matches!(text.as_str(), "true" | "yes" | "on" | "1")
    }
    fn write(value: &bool) -> Option<String> {
        Some(value.to_string())
    }
    fn is_regular(stored: &str) -> bool {
        is_bool(stored)
    }
}

/// A whole number (`parseInt`); unreadable or 0 becomes `OR`.
pub struct Whole<const OR: i64>;
impl<const OR: i64> Codec for Whole<OR> {
    type Value = i64;
    const EXPECTED: &'static str = "a whole number";
    fn read(stored: Option<&str>) -> i64 {
        stored.and_then(number::parse_int).filter(|value| *value != 0).unwrap_or(OR)
    }
    fn write(value: &i64) -> Option<String> {
        Some(value.to_string())
    }
    fn is_regular(stored: &str) -> bool {
        is_whole(stored)
    }
}

/// A whole number (`parseInt`); unreadable becomes `OR`, 0 stays 0.
pub struct WholeOrZero<const OR: i64>;
impl<const OR: i64> Codec for WholeOrZero<OR> {
    type Value = i64;
    const EXPECTED: &'static str = "a whole number";
    fn read(stored: Option<&str>) -> i64 {
        stored.and_then(number::parse_int).unwrap_or(OR)
    }
    fn write(value: &i64) -> Option<String> {
        Some(value.to_string())
    }
    fn is_regular(stored: &str) -> bool {
        is_whole(stored)
    }
}

/// A whole number or unset, e.g. an epoch time in milliseconds.
pub struct MaybeWhole;
impl Codec for MaybeWhole {
    type Value = Option<i64>;
    const EXPECTED: &'static str = "a whole number";
    fn read(stored: Option<&str>) -> Option<i64> {
        stored.and_then(number::parse_int)
    }
    fn write(value: &Option<i64>) -> Option<String> {
        Some(value.map(|value| value.to_string()).unwrap_or_default())
    }
    fn is_regular(stored: &str) -> bool {
        stored.is_empty() || is_whole(stored)
    }
}

/// A number of seconds that may be unset: finite, not negative, rounded down.
pub struct Seconds;
impl Codec for Seconds {
    type Value = Option<i64>;
    const EXPECTED: &'static str = "a number of seconds";
    fn read(stored: Option<&str>) -> Option<i64> {
        let value = number::parse_number(stored.filter(|text| !text.is_empty())?)?;
        #[expect(clippy::cast_possible_truncation, reason = "floor of a time in seconds")]
        (value.is_finite() && value >= 0.0).then_some(value.floor() as i64)
    }
    fn write(value: &Option<i64>) -> Option<String> {
        MaybeWhole::write(value)
    }
    fn is_regular(stored: &str) -> bool {
        stored.is_empty() || is_whole(stored)
    }
}

/// An amount (`parseFloat`); unreadable is 0.
pub struct Amount;
impl Codec for Amount {
    type Value = f64;
    const EXPECTED: &'static str = "a number";
    fn read(stored: Option<&str>) -> f64 {
        stored.and_then(number::parse_float).unwrap_or(0.0)
    }
    fn write(value: &f64) -> Option<String> {
        Some(number::js(*value))
    }
    fn is_regular(stored: &str) -> bool {
        stored.is_empty() || number::parse_number(stored).is_some_and(f64::is_finite)
    }
}

/// An amount that may be unset.
pub struct MaybeAmount;
impl Codec for MaybeAmount {
    type Value = Option<f64>;
    const EXPECTED: &'static str = "a number";
    fn read(stored: Option<&str>) -> Option<f64> {
        stored.and_then(number::parse_float)
    }
    fn write(value: &Option<f64>) -> Option<String> {
        Some(value.map(number::js).unwrap_or_default())
    }
    fn is_regular(stored: &str) -> bool {
        // `String(null)` of a share that the vendor left out.
        stored == "null" || Amount::is_regular(stored)
    }
}

/// A JSON array of texts; broken is empty. Items of other types keep their JSON text, so that the
/// list's length, which some rules look at, stays.
pub struct Texts;
impl Codec for Texts {
    type Value = Vec<String>;
    const EXPECTED: &'static str = "a JSON array of texts";
    fn read(stored: Option<&str>) -> Vec<String> {
        stored.and_then(text_items).unwrap_or_default()
    }
    fn write(value: &Vec<String>) -> Option<String> {
        Some(Value::from(value.clone()).to_string())
    }
    fn is_regular(stored: &str) -> bool {
        stored.is_empty() || serde_json::from_str::<Vec<String>>(stored).is_ok()
    }
}

/// Texts joined with commas; empty is none.
pub struct Words;
impl Codec for Words {
    type Value = Vec<String>;
    const EXPECTED: &'static str = "a comma list";
    fn read(stored: Option<&str>) -> Vec<String> {
        let words = stored.unwrap_or_default().split(',').filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    }
    fn write(value: &Vec<String>) -> Option<String> {
        Some(value.join(","))
    }
}

/// A JSON array; broken is empty.
pub struct List;
impl Codec for List {
    type Value = Vec<Value>;
    const EXPECTED: &'static str = "a JSON array";
    fn read(stored: Option<&str>) -> Vec<Value> {
        stored.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
    fn write(value: &Vec<Value>) -> Option<String> {
        Some(Value::from(value.clone()).to_string())
    }
    fn is_regular(stored: &str) -> bool {
        stored.is_empty() || serde_json::from_str::<Vec<Value>>(stored).is_ok()
    }
}

/// The text of a JSON object, unread; missing is empty.
pub struct ObjectText;
impl Codec for ObjectText {
    type Value = String;
    const EXPECTED: &'static str = "a JSON object";
    fn read(stored: Option<&str>) -> String {
        Text::read(stored)
    }
    fn write(value: &String) -> Option<String> {
        Some(value.clone())
    }
    fn is_regular(stored: &str) -> bool {
        stored.is_empty() || serde_json::from_str::<Map<String, Value>>(stored).is_ok()
    }
}

/// A JSON object (or array) that may be unset; broken counts as unset.
pub struct MaybeObject;
impl Codec for MaybeObject {
    type Value = Option<Value>;
    const EXPECTED: &'static str = "a JSON object";
    fn read(stored: Option<&str>) -> Option<Value> {
        let value: Value = serde_json::from_str(stored?).ok()?;
        (value.is_object() || value.is_array()).then_some(value)
    }
    fn write(value: &Option<Value>) -> Option<String> {
        Some(value.as_ref().map(Value::to_string).unwrap_or_default())
    }
    fn is_regular(stored: &str) -> bool {
        stored.is_empty() || Self::read(Some(stored)).is_some()
    }
}

/// Services of an API key.
pub struct Granted;
impl Codec for Granted {
    type Value = Permissions;
    const EXPECTED: &'static str = "a JSON array of texts";
    fn read(stored: Option<&str>) -> Permissions {
        Permissions::parse(stored.unwrap_or_default())
    }
    fn write(value: &Permissions) -> Option<String> {
        Some(Value::from(value.services().to_vec()).to_string())
    }
    fn is_regular(stored: &str) -> bool {
        Texts::is_regular(stored) || (!stored.starts_with('['))
    }
}

/// Model map.
pub struct Models;
impl Codec for Models {
    type Value = ModelMap;
    const EXPECTED: &'static str = "a JSON object of model names";
    fn read(stored: Option<&str>) -> ModelMap {
        ModelMap::parse(stored.unwrap_or_default())
    }
    fn write(value: &ModelMap) -> Option<String> {
        Some(value.to_stored())
    }
    fn is_regular(stored: &str) -> bool {
        !matches!(ModelMap::parse(stored), ModelMap::Unreadable(_))
    }
}

/// Outbound proxy.
pub struct ProxyField;
impl Codec for ProxyField {
    type Value = ProxyText;
    const EXPECTED: &'static str = "a complete proxy as JSON";
    fn read(stored: Option<&str>) -> ProxyText {
        ProxyText::from(stored.unwrap_or_default().to_owned())
    }
    fn write(value: &ProxyText) -> Option<String> {
        Some(value.as_stored().to_owned())
    }
    fn is_regular(stored: &str) -> bool {
        matches!(stored, "" | "null") || ProxyText::from(stored.to_owned()).read().is_some()
    }
}

/// An encrypted text.
pub struct Secret;
impl Codec for Secret {
    type Value = Sealed;
    const EXPECTED: &'static str = "an encrypted text";
    fn read(stored: Option<&str>) -> Sealed {
        Sealed::from(stored.unwrap_or_default().to_owned())
    }
    fn write(value: &Sealed) -> Option<String> {
        Some(value.as_stored().to_owned())
    }
    fn sealed(value: &Sealed) -> Option<&Sealed> {
        Some(value)
    }
}

/// A text kept from `Debug`, but not encrypted.
pub struct Hidden;
impl Codec for Hidden {
    type Value = Sealed;
    const EXPECTED: &'static str = "text";
    fn read(stored: Option<&str>) -> Sealed {
        Secret::read(stored)
    }
    fn write(value: &Sealed) -> Option<String> {
        Secret::write(value)
    }
}

/// Items of a JSON array as texts; `None` when it is not a JSON array.
pub(super) fn text_items(stored: &str) -> Option<Vec<String>> {
    let items: Vec<Value> = serde_json::from_str(stored).ok()?;
    Some(items.into_iter().map(item_text).collect())
}

/// A JSON text itself, or the JSON spelling of another value.
pub(super) fn item_text(item: Value) -> String {
    match item {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn is_bool(stored: &str) -> bool {
    matches!(stored, "true" | "false" | "")
}

fn is_whole(stored: &str) -> bool {
    let digits = stored.strip_prefix('-').unwrap_or(stored);
    stored.is_empty() || !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}
