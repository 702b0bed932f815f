//! Tells operators what happened, over the channels they set up in the console: webhooks, chat platforms,
//! push, mail (contract/admin-api.md §11; docs/notifications.md).
//!
//! What is sent is what the legacy service sends: [`message`] writes it, pure, one platform per file.
//! [`Stored`] reads the legacy service's own configuration, [`Notifier`] is where the house hands notices
//! in, [`Postman`] delivers them. Nobody who hands one in ever waits: the queue is bounded, and what does
//! not fit is dropped and counted.

mod anomaly;
mod deliver;
mod fault;
mod guard;
pub mod message;
mod moment;
mod notice;
mod queue;
mod redirect;
mod stored;
#[cfg(test)]
mod tests;
mod value;

pub use deliver::{Attempted, Postman};
pub use fault::Fault;
pub use guard::refuses_link_local;
pub use moment::{Locale, Moment};
pub use notice::Notice;
pub use queue::{Delivery, Notifier, read as read_stored};
pub use stored::{Platform, Retries, Stored};
