//! A robot of a WeCom (WeChat Work) group.

use serde_json::json;

use super::{Post, details::markdown, wording::look};
use crate::notify::{Fault, Moment, Notice, Platform};

pub(super) fn message(
    platform: &Platform,
    notice: &Notice,
    moment: Moment<'_>,
) -> Result<Post, Fault> {
    let content = format!(
        "## {}\n\n> **服务**: Claude Relay Service\n> **时间**: {}\n\n{}",
        look(&notice.kind).title,
        moment.shown(),
        markdown(&notice.data)?
    );
    let body = json!({ "msgtype": "markdown", "markdown": { "content": content } });
    Ok(Post::to(platform, body))
}
