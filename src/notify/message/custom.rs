//! A webhook of the operator's own: everything there is to know, as JSON.

use serde_json::json;

use super::Post;
use crate::notify::{Fault, Moment, Notice, Platform};

pub(super) fn message(
    platform: &Platform,
    notice: &Notice,
    moment: Moment<'_>,
) -> Result<Post, Fault> {
    let body = json!({
        "type": notice.kind,
        "service": "claude-relay-service",
        "timestamp": moment.iso_local(),
        "data": notice.data,
    });
    Ok(Post::to(platform, body))
}
