//! JavaScript value semantics that legacy data relies on, under one name.

pub use crate::{
    date::date_ms,
    number::{parse_float, parse_int, to_fixed},
    value::{
        field, given, is_integer, length, members_in_order, number, or, parsed, stringify, text,
        trim, truthy,
    },
};
