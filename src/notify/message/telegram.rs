//! A bot of Telegram, by itself or by way of a proxy or a mirror of its API.

use percent_encoding::percent_decode_str;
use serde_json::json;
use url::Url;

use super::{Post, details::Lines, wording::look};
use crate::{
    domain::{ProxyConfig, ProxyKind, Secret},
    notify::{Fault, Moment, Notice, Platform},
};

const API: &str = "https://api.telegram.org";

pub(super) fn message(
    platform: &Platform,
    notice: &Notice,
    moment: Moment<'_>,
) -> Result<Post, Fault> {
    let setup = |text: &str| Err(Fault::Setup(text.to_owned()));
    if !platform.has("botToken") {
        return setup("缺少 Telegram 机器人 Token");
    }
    let Some(chat) = platform.get("chatId") else { return setup("缺少 Telegram Chat ID") };
    let mut lines =
        vec![look(&notice.kind).title.to_owned(), "服务: Claude Relay Service".to_owned()];
    let details = Lines::Plain.of(&notice.data)?;
    if !details.is_empty() {
        lines.push(String::new());
    }
    lines.extend(details.into_iter().map(|detail| format!("{}: {}", detail.label, detail.text)));
    lines.push(String::new());
    lines.push(format!("时间: {}", moment.shown()));
    Ok(Post {
        url: format!("{}/bot{}/sendMessage", base(platform), platform.text("botToken")),
        body: json!({
            "chat_id": chat,
            "text": lines.join("\n"),
            "disable_web_page_preview": true,
        }),
        proxy: proxy(platform),
        answers_ok: true,
    })
}

/// Base of the API without a slash at its end. One that is no http or https URL is passed over.
fn base(platform: &Platform) -> String {
    if !platform.has("apiBaseUrl") {
        return API.to_owned();
    }
    match Url::parse(&platform.text("apiBaseUrl")) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => {
            let url = url.as_str();
            url.strip_suffix('/').unwrap_or(url).to_owned()
        }
        _ => {
            tracing::warn!("the address of the Telegram API is unusable; {API} is used");
            API.to_owned()
        }
    }
}

/// The platform's own proxy. One that is unusable is passed over.
fn proxy(platform: &Platform) -> Option<ProxyConfig> {
    platform.get("proxyUrl")?;
    let read = || {
        let url = Url::parse(&platform.text("proxyUrl")).ok()?;
        let (kind, port) = match url.scheme() {
            "http" => (ProxyKind::Http, 80),
            "https" => (ProxyKind::Https, 443),
            "socks" | "socks5" | "socks5h" => (ProxyKind::Socks5, 1080),
            _ => return None,
        };
        let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let credentials = (!url.username().is_empty()).then(|| {
            let password = plain(url.password().unwrap_or_default());
            (plain(url.username()), Secret::from(password))
        });
        Some(ProxyConfig {
            kind,
            host: url.host_str()?.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(port),
            credentials,
        })
    };
    let proxy = read();
    if proxy.is_none() {
        tracing::warn!("the Telegram proxy is unusable and passed over");
    }
    proxy
}
