//! What each platform is sent, as the legacy service writes it. Pure: a platform, a notice and a moment
//! in, a request out.

mod addresses;
mod bark;
mod custom;
mod details;
mod dingtalk;
mod discord;
mod feishu;
mod sign;
mod slack;
mod smtp;
mod telegram;
mod wechat_work;
mod wording;

use serde_json::Value;

use super::{Fault, Moment, Notice, Platform, redirect::Hop};
use crate::{domain::ProxyConfig, upstream::Mail};

/// A POST of JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Post {
    /// Where to.
    pub url: String,
    /// What.
    pub body: Value,
    /// By way of.
    pub proxy: Option<ProxyConfig>,
    /// The receiver answers `{"ok":true}`, or it has not taken the message.
    pub answers_ok: bool,
}

/// Something to be sent.
#[derive(Clone, Debug)]
pub enum Parcel {
    /// Over HTTP.
    Post(Post),
    /// Over SMTP.
    Mail(Mail),
}

/// Writes the message for a platform.
///
/// # Errors
/// When the platform is not set up so that anything could be sent.
pub fn compose(platform: &Platform, notice: &Notice, moment: Moment<'_>) -> Result<Parcel, Fault> {
    let post = match platform.kind() {
        "custom" => custom::message(platform, notice, moment),
        "wechat_work" => wechat_work::message(platform, notice, moment),
        "dingtalk" => dingtalk::message(platform, notice, moment),
        "feishu" => feishu::message(platform, notice, moment),
        "slack" => slack::message(platform, notice),
        "discord" => discord::message(platform, notice, moment),
        "telegram" => telegram::message(platform, notice, moment),
        "bark" => bark::message(platform, notice, moment),
        "smtp" => return smtp::message(platform, notice, moment).map(Parcel::Mail),
        _ => {
            let kind = platform.text("type");
            return Err(Fault::Setup(format!("不支持的平台类型: {kind}")));
        }
    };
    post.map(Parcel::Post)
}

/// A fixed word for metrics.
pub fn label(platform: &Platform) -> &'static str {
    let known = [
        "custom",
        "wechat_work",
        "dingtalk",
        "feishu",
        "slack",
        "discord",
        "telegram",
        "bark",
        "smtp",
    ];
    known.into_iter().find(|kind| *kind == platform.kind()).unwrap_or("unknown")
}

impl Parcel {
    /// What keeps it from being sent at all.
    pub fn fault(&self) -> Option<Fault> {
        match self {
            Self::Post(post) => Hop::first(&post.url).err(),
            Self::Mail(mail) if mail.host.is_empty() => Some(Fault::Address),
            Self::Mail(_) => None,
        }
    }
}

impl Post {
    /// A POST to a platform's own `url`.
    fn to(platform: &Platform, body: Value) -> Self {
        let url = platform.text("url");
        Self { url, body, proxy: None, answers_ok: false }
    }
}
