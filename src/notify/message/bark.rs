//! Bark: push messages to an iPhone.

use serde_json::{Value, json};

use super::{Post, details::Lines, wording::look};
use crate::notify::{Fault, Moment, Notice, Platform};

const SERVER: &str = "https://api.day.app/push";

pub(super) fn message(
    platform: &Platform,
    notice: &Notice,
    moment: Moment<'_>,
) -> Result<Post, Fault> {
    let look = look(&notice.kind);
    let mut lines: Vec<String> = Lines::Push
        .of(&notice.data)?
        .into_iter()
        .map(|detail| format!("{}: {}", detail.label, detail.text))
        .collect();
    lines.push("\n服务: Claude Relay Service".to_owned());
    lines.push(format!("时间: {}", moment.shown()));
    let or = |field, other: &str| platform.get(field).cloned().unwrap_or_else(|| other.into());
    let mut body = json!({
        "title": look.title,
        "body": lines.join("\n"),
        "level": or("level", look.level),
        "sound": or("sound", look.sound),
        "group": or("group", "claude-relay"),
        "badge": 1,
    });
    if let Value::Object(fields) = &mut body {
        if let Some(key) = platform.raw("deviceKey") {
            fields.shift_insert(0, "device_key".to_owned(), key.clone());
        }
        for (field, name) in [("icon", "icon"), ("clickUrl", "url")] {
            if let Some(set) = platform.get(field) {
                fields.insert(name.to_owned(), set.clone());
            }
        }
    }
    let url = match platform.has("serverUrl") {
        true => platform.text("serverUrl"),
        false => SERVER.to_owned(),
    };
    Ok(Post { url, body, proxy: None, answers_ok: false })
}
