//! JavaScript value semantics that legacy data relies on, under one name.

pub use crate::{date::date_ms, number::to_fixed};
