//! Looks at the notification settings: every platform that is switched on must be able to work.

use compat::{
    keys,
    store::{Store, StoreError},
};
use serde_json::Map;

use super::{check::Check, report::Findings};
use crate::notify::{Locale, Moment, Notice, message, read_stored};

/// Checks what can be known without sending anything.
pub(super) async fn check(store: &dyn Store, findings: &mut Findings) -> Result<(), StoreError> {
    let stored = read_stored(store).await?;
    let locale = Locale::new(8, "UTC");
    let moment = Moment { at_ms: 0, locale: &locale };
    let notice = Notice::new("test", Map::new());
    for platform in stored.receivers() {
        let fault = match message::compose(&platform, &notice, moment) {
            Ok(parcel) => parcel.fault(),
            Err(fault) => Some(fault),
        };
        if let Some(fault) = fault {
            let subject = format!("{}: {fault}", keys::WEBHOOKS);
            findings.add(Check::Receiver, subject, platform.name());
        }
    }
    Ok(())
}
