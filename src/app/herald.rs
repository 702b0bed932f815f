//! Carries what the rollout has to tell to where operators look: the log, and their notifications.

use serde_json::{Map, Value};

use crate::{
    notify::{Notice, Notifier},
    rollout::{self, Alarm, LogAlarm},
};

/// The rollout's alarm.
pub(super) struct Herald(pub Option<Notifier>);

impl Alarm for Herald {
    fn raise(&self, notice: rollout::Notice) {
        if let Some(notifier) = &self.0 {
            notifier.tell(written(&notice));
        }
        LogAlarm.raise(notice);
    }
}

/// Something wrong is a system error; what people do on purpose has a type of its own.
fn written(notice: &rollout::Notice) -> Notice {
    let name = notice.kind.name();
    let code = format!("CRS_ROLLOUT_{}", name.to_uppercase());
    let fields = [
        ("platform", "crs"),
        ("status", name),
        ("errorCode", &code),
        ("reason", &notice.text),
        ("message", &notice.title),
        ("timestamp", &notice.at),
    ];
    let data: Map<String, Value> =
        fields.map(|(field, text)| (field.to_owned(), Value::from(text))).into_iter().collect();
    Notice::new(if notice.kind.is_alarm() { "systemError" } else { Notice::ROLLOUT }, data)
}
