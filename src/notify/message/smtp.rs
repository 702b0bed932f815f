//! Mail: plain text as the legacy service writes it, and the same as HTML in a layout of its own. What
//! stands in a notice is escaped there.

use std::time::{Duration, UNIX_EPOCH};

use lettre::message::{Mailbox, Message, MultiPart};
use serde_json::Value;

use super::{
    addresses,
    details::{Detail, Lines},
    wording::look,
};
use crate::{
    domain::Secret,
    notify::{Fault, Moment, Notice, Platform, value},
    upstream::Mail,
};

/// Port for mail from programs.
const PORT: u16 = 587;
const RULE: &str = "=====================================";

pub(super) fn message(
    platform: &Platform,
    notice: &Notice,
    moment: Moment<'_>,
) -> Result<Mail, Fault> {
    let setup = |text: &str| Fault::Setup(text.to_owned());
    let to = recipients(platform).ok_or_else(|| setup("No recipients defined"))?;
    let host = platform.text("host");
    let from = sender(platform, &host).ok_or_else(|| setup("the sender is no address"))?;
    let title = look(&notice.kind).title;
    let details = Lines::Plain.of(&notice.data)?;
    let body = MultiPart::alternative_plain_html(
        text(title, &details, &moment.shown()),
        html(title, &details, &moment.shown()),
    );
    let sent = UNIX_EPOCH + Duration::from_millis(u64::try_from(moment.at_ms).unwrap_or_default());
    let id = format!("<{}@{}>", uuid::Uuid::new_v4(), from.email.domain());
    let mut letter = Message::builder()
        .from(from.clone())
        .subject(format!("[Claude Relay Service] {title}"))
        .message_id(Some(id))
        .date(sent);
    for mailbox in &to {
        letter = letter.to(mailbox.clone());
    }
    let letter = letter.multipart(body).map_err(|error| Fault::Setup(error.to_string()))?;
    Ok(Mail {
        host,
        port: port(platform)?,
        secure: platform.has("secure"),
        trust_any: platform.has("ignoreTLS"),
        login: platform
            .has("user")
            .then(|| (platform.text("user"), Secret::from(platform.text("pass")))),
        from: Some(from.email),
        to: to.iter().map(|mailbox| mailbox.email.clone()).collect(),
        message: letter.formatted(),
        connect_timeout: Duration::from_millis(platform.timeout_ms()),
    })
}

/// A list of addresses, or one text with commas.
fn recipients(platform: &Platform) -> Option<Vec<Mailbox>> {
    let text = match platform.get("to")? {
        Value::Array(items) => value::joined(items, ", "),
        other => value::text(Some(other)),
    };
    Some(addresses::read(&text)).filter(|found| !found.is_empty())
}

/// `from`, else the user. A user that is no address (the key of a mail service) gets one at the server;
/// the legacy service then sends without a sender, which servers refuse.
fn sender(platform: &Platform, host: &str) -> Option<Mailbox> {
    let field = if platform.has("from") { "from" } else { "user" };
    let text = platform.text(field);
    addresses::read(&text).into_iter().next().or_else(|| {
        let literal = host.parse::<std::net::IpAddr>().is_ok();
        let domain = if literal { format!("[{host}]") } else { host.to_owned() };
        format!("{text}@{domain}").parse().ok()
    })
}

fn port(platform: &Platform) -> Result<u16, Fault> {
    let Some(port) = platform.get("port") else { return Ok(PORT) };
    value::text(Some(port)).trim().parse().map_err(|_| Fault::Setup("the port is no port".into()))
}

fn text(title: &str, details: &[Detail<'_>], at: &str) -> String {
    let mut lines = vec![title.to_owned(), RULE.to_owned(), String::new()];
    lines.extend(details.iter().map(|detail| format!("{}: {}", detail.label, detail.text)));
    lines.extend([String::new(), format!("发送时间: {at}"), "服务: Claude Relay Service".into()]);
    lines.extend([RULE.to_owned(), "此邮件由系统自动发送，请勿回复。".to_owned()]);
    lines.join("\n")
}

fn html(title: &str, details: &[Detail<'_>], at: &str) -> String {
    let row = |detail: &Detail<'_>| {
        let (label, text) = (escaped(detail.label), escaped(&detail.text).replace('\n', "<br>"));
        format!("<tr><th align=\"left\" valign=\"top\">{label}</th><td>{text}</td></tr>")
    };
    let rows: String = details.iter().map(row).collect();
    format!(
        "<!DOCTYPE html><html><body><h2>{}</h2><table cellpadding=\"4\">{rows}</table>\
         <p>{at} · Claude Relay Service</p></body></html>",
        escaped(title)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
