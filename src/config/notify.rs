//! Notifications. What is sent where stands in Redis, set up in the console.

use super::reader::Reader;

/// Settings of deliveries.
#[derive(Clone, Copy, Debug, Default)]
pub struct NotifyConfig {
    /// `CRS_NOTIFY_ALLOW_LINK_LOCAL` (false): notices may go to link-local and cloud metadata addresses.
    pub allow_link_local: bool,
}

impl NotifyConfig {
    pub(super) fn read(reader: &Reader<'_>) -> Self {
        Self { allow_link_local: reader.is_true("CRS_NOTIFY_ALLOW_LINK_LOCAL") }
    }
}
