//! An incoming webhook of Slack.

use serde_json::json;

use super::{Post, details::markdown, wording::look};
use crate::notify::{Fault, Notice, Platform};

pub(super) fn message(platform: &Platform, notice: &Notice) -> Result<Post, Fault> {
    let look = look(&notice.kind);
    let body = json!({
        "text": format!("*{}*\n{}", look.title, markdown(&notice.data)?),
        "username": "Claude Relay Service",
        "icon_emoji": look.emoji,
    });
    Ok(Post::to(platform, body))
}
