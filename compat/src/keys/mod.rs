//! The names of all Redis keys, one function or constant per pattern of the
//! [catalogue](crate::catalogue), grouped by area. Names only: no type, no expiry, no command.
//!
//! Placeholders are put in as they are. Dates are local dates unless the catalogue says otherwise.

mod account_usage;
mod accounts;
mod api_keys;
mod cost;
mod details;
mod groups;
mod kind;
mod limits;
mod own;
mod people;
mod quota;
mod settings;
mod sticky;
#[cfg(test)]
mod tests;
mod usage;

pub use account_usage::*;
pub use accounts::*;
pub use api_keys::*;
pub use cost::*;
pub use details::*;
pub use groups::*;
pub use kind::AccountKind;
pub use limits::*;
pub use own::*;
pub use people::*;
pub use quota::*;
pub use settings::*;
pub use sticky::*;
pub use usage::*;

/// What the own keys of crs start with; no legacy pattern matches them.
pub const OWN_NAMESPACE: &str = "crs:rs:";

/// The marker that makes Node take an index for empty: a writer that adds to the index removes it
/// (contract/redis.md §0).
pub fn empty_marker(index: &str) -> String {
    format!("{index}:empty")
}

/// Declares constants and functions; the literal of each is its pattern in the catalogue.
macro_rules! keys {
    ($(
        $(#[$meta:meta])*
        $kind:ident $name:ident $(($($arg:ident),*))? = $pattern:literal;
    )*) => {
        $( $crate::keys::keys!(@one $(#[$meta])* $kind $name $(($($arg),*))? = $pattern); )*

        /// Every pattern here, with a name made by its builder.
        #[cfg(test)]
        pub(super) fn samples() -> Vec<(&'static str, String)> {
            vec![$( ($pattern, $crate::keys::keys!(@sample $kind $name $(($($arg),*))?)) ),*]
        }
    };
    (@one $(#[$meta:meta])* const $name:ident = $pattern:literal) => {
        $(#[$meta])*
        pub const $name: &str = $pattern;
    };
    (@one $(#[$meta:meta])* fn $name:ident($($arg:ident),*) = $pattern:literal) => {
        $(#[$meta])*
        pub fn $name($($arg: impl std::fmt::Display),*) -> String {
            format!($pattern)
        }
    };
    (@sample const $name:ident) => { $name.to_owned() };
    (@sample fn $name:ident($($arg:ident),*)) => {
        $name($( $crate::keys::tests::sample(stringify!($arg)) ),*)
    };
}
use keys;
