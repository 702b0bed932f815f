//! Numbers, white space and the order of names as JavaScript has them.
//!
//! The legacy service leaves this spelling in Redis, in JSON records and in the bodies it forwards, and
//! reads settings and stored text by its rules, so every part that must agree with it asks here. Nothing
//! else of the language belongs here, and nothing here knows of the service.

mod collation;
mod print;
mod read;
mod space;

pub use collation::Collation;
pub use print::{print, round, round6, to_fixed};
pub use read::{parse_float, parse_int, parse_int_decimal, parse_number};
pub use space::{is_space, is_space_unit, trim, trim_start};
