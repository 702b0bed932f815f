//! A robot of a DingTalk group; signs with moment and secret in the query.

use serde_json::json;
use url::form_urlencoded::byte_serialize;

use super::{Post, details::markdown, sign, wording::look};
use crate::notify::{Fault, Moment, Notice, Platform};

pub(super) fn message(
    platform: &Platform,
    notice: &Notice,
    moment: Moment<'_>,
) -> Result<Post, Fault> {
    let text = format!(
        "#### 服务: Claude Relay Service\n#### 时间: {}\n\n{}",
        moment.shown(),
        markdown(&notice.data)?
    );
    let body = json!({
        "msgtype": "markdown",
        "markdown": { "title": look(&notice.kind).title, "text": text },
    });
    let mut post = Post::to(platform, body);
    if platform.has("enableSign") && platform.has("secret") {
        let sign = sign::dingtalk(&platform.text("secret"), moment.at_ms);
        let sign: String = byte_serialize(sign.as_bytes()).collect();
        // Robots' addresses have a query already.
        post.url.push_str(&format!("&timestamp={}&sign={sign}", moment.at_ms));
    }
    Ok(post)
}
