//! What a request cost, in real and in rated dollars, and booking it.
//!
//! Prices come from a [`PriceBook`]; [`cost`] turns token counts into dollars with the legacy service's
//! two calculators, bit for bit; [`rates`] turns real into rated dollars. Nothing here estimates tokens,
//! and limits are enforced elsewhere.

pub mod cost;
pub mod price_book;
pub mod prices;
pub mod rates;

pub use cost::{Cost, PricingSource, Usage};
pub use price_book::PriceBook;
pub use prices::{Price, PriceTable};
pub use rates::{KeyRates, ServiceRates};
