//! A robot of a Feishu (Lark) group; signs with moment and secret in the body.

use serde_json::json;

use super::{Post, details::markdown, sign, wording::look};
use crate::notify::{Fault, Moment, Notice, Platform};

pub(super) fn message(
    platform: &Platform,
    notice: &Notice,
    moment: Moment<'_>,
) -> Result<Post, Fault> {
    let look = look(&notice.kind);
    let mut body = json!({
        "msg_type": "interactive",
        "card": {
            "elements": [{ "tag": "markdown", "content": markdown(&notice.data)? }],
            "header": {
                "title": { "tag": "plain_text", "content": look.title },
                "template": look.card,
            },
        },
    });
    if platform.has("enableSign") && platform.has("secret") {
        let seconds = moment.at_ms.div_euclid(1000);
        body["timestamp"] = json!(seconds.to_string());
        body["sign"] = json!(sign::feishu(&platform.text("secret"), seconds));
    }
    Ok(Post::to(platform, body))
}
