//! A webhook of a Discord channel.

use serde_json::{Value, json};

use super::{
    Post,
    details::{Detail, Lines},
    wording::look,
};
use crate::notify::{Fault, Moment, Notice, Platform};

/// Short ones, shown side by side.
const INLINE: [&str; 3] = ["accountName", "platform", "status"];

pub(super) fn message(
    platform: &Platform,
    notice: &Notice,
    moment: Moment<'_>,
) -> Result<Post, Fault> {
    let field = |detail: Detail<'_>| {
        let inline = INLINE.contains(&detail.field);
        json!({ "name": detail.label, "value": detail.value, "inline": inline })
    };
    let fields: Vec<Value> = Lines::Fields.of(&notice.data)?.into_iter().map(field).collect();
    let look = look(&notice.kind);
    let body = json!({
        "username": "Claude Relay Service",
        "embeds": [{
            "title": look.title,
            "color": look.edge,
            "fields": fields,
            "timestamp": moment.iso_local(),
            "footer": { "text": "Claude Relay Service" },
        }],
    });
    Ok(Post::to(platform, body))
}
