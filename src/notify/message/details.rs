//! The lines that say what happened. Which fields a platform shows and what it calls them differs by
//! family of platforms.

use serde_json::{Map, Value};

use crate::notify::{Fault, value};

/// One line.
pub(super) struct Detail<'a> {
    /// Field that it is from.
    pub field: &'static str,
    /// Its name for people.
    pub label: &'static str,
    /// What stands there.
    pub value: &'a Value,
    /// The same as text.
    pub text: String,
}

/// A set of lines.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    /// Chats that read Markdown.
    Markdown,
    /// Push messages.
    Push,
    /// Telegram and mail.
    Plain,
    /// Fields of a Discord embed.
    Fields,
}

/// Field, and its name in the sets of lines that show it.
const FIELDS: [(&str, &str, &[Lines]); 12] = [
    ("accountName", "账号", &EVERYWHERE),
    ("platform", "平台", &EVERYWHERE),
    ("platforms", "涉及平台", &[Lines::Markdown]),
    ("totalAccounts", "恢复账户数", &[Lines::Markdown]),
    ("status", "状态", &EVERYWHERE),
    ("errorCode", "错误代码", &[Lines::Markdown, Lines::Plain, Lines::Fields]),
    ("errorCode", "错误", &[Lines::Push]),
    ("reason", "原因", &EVERYWHERE),
    ("message", "消息", &EVERYWHERE),
    ("quota", "剩余配额", &[Lines::Markdown, Lines::Push]),
    ("quota", "配额", &[Lines::Plain]),
    ("usage", "使用率", &[Lines::Markdown, Lines::Push, Lines::Plain]),
];

const EVERYWHERE: [Lines; 4] = [Lines::Markdown, Lines::Push, Lines::Plain, Lines::Fields];

impl Lines {
    /// The lines for this notice.
    ///
    /// # Errors
    /// When a field has a shape that the platform cannot show.
    pub(super) fn of(self, data: &Map<String, Value>) -> Result<Vec<Detail<'_>>, Fault> {
        let shown = FIELDS.into_iter().filter(|(_, _, lines)| lines.contains(&self));
        let mut details = Vec::new();
        for (field, label, _) in shown {
            let Some(value) = value::set(data.get(field)) else { continue };
            let text = match (field, value) {
                ("platforms", Value::Array(items)) => value::joined(items, ", "),
                ("platforms", _) => return Err(Fault::Setup("`platforms` is no list".to_owned())),
                ("quota", quota) => {
                    let part = |name| value::text(quota.get(name));
                    format!("{}/{}", part("remaining"), part("total"))
                }
                ("usage", usage) => format!("{}%", value::text(Some(usage))),
                (_, value) => value::text(Some(value)),
            };
            details.push(Detail { field, label, value, text });
        }
        Ok(details)
    }
}

/// Markdown, one line per detail.
pub(super) fn markdown(data: &Map<String, Value>) -> Result<String, Fault> {
    let line = |detail: Detail<'_>| format!("**{}**: {}", detail.label, detail.text);
    Ok(Lines::Markdown.of(data)?.into_iter().map(line).collect::<Vec<_>>().join("\n"))
}
