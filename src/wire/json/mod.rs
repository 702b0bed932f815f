//! JSON as bytes: an index over the text instead of a tree of values.
//!
//! Request bodies pass through this service nearly unchanged, so they are checked once ([`Doc`]),
//! read through the index ([`Value`]) and changed by replacing only the touched parts ([`Tree`]).
//! What no rule touches keeps its bytes: number spellings, key order, escapes, unknown fields.
//!
//! Where JavaScript and other readers differ, JavaScript's view counts, because the legacy service
//! had it: the last of equal keys wins, lone surrogate escapes are legal, numbers are doubles.
//! Nothing here recurses on input without a bound.

mod complaint;
mod doc;
mod early;
mod number;
mod scan;
mod stringify;
mod text;
mod tree;

#[cfg(test)]
mod tests;

pub use complaint::complaint;
pub use doc::{Doc, Kind, Value};
pub use early::{EarlyMember, Found};
pub use number::format_js_number;
pub use stringify::{restringify, stringify};
pub use text::{decode, encode, from_units, inner, trim_raw, trim_raw_inner, units};
pub use tree::Tree;

use thiserror::Error;

/// Why a text is not JSON.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{kind} at byte {offset}")]
pub struct JsonError {
    /// What is wrong.
    pub kind: JsonErrorKind,
    /// Where, counted in bytes of the (repaired) UTF-8 text.
    pub offset: usize,
}

/// What is wrong with a text that is not JSON.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum JsonErrorKind {
    /// The text ends inside a value.
    #[error("unexpected end")]
    End,
    /// A character that cannot stand there.
    #[error("unexpected character")]
    Unexpected,
    /// A control character or an unknown escape in a string.
    #[error("bad string")]
    BadString,
    /// Something follows the value.
    #[error("trailing text")]
    Trailing,
    /// More containers inside each other than this service handles.
    #[error("nested too deeply")]
    TooDeep,
    /// 4 GiB or more.
    #[error("too large")]
    TooLarge,
}
