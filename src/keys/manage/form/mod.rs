//! What an administrator may send about an API key, and what is made of it. Pure: nothing here reads a
//! record, and every rule and text is that of the legacy admin API (contract/admin-api.md §4).

mod batch;
mod checks;
mod create;
mod expiry;
mod rules;
mod update;

pub(super) use batch::{Batch, TagChange, batch, many};
pub(super) use create::{Made, create};
pub(super) use expiry::{Expiry, expiry};
pub(super) use rules::stored_rules;
pub(super) use update::{Owner, record_text, update};

use serde_json::{Map, Value};

/// Members of a request body.
pub(super) type Body = Map<String, Value>;
