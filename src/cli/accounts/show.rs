//! Accounts as people read them.

use serde_json::Value;

use super::super::{Output, output::message};

/// Shows an answer of the admin API.
pub(super) fn answer(answer: &Value, output: &Output) {
    if answer.get("events").is_some() {
        // A test has told already.
        return;
    }
    let Some(data) = answer.get("data") else {
        let switched = [("isActive", "in use", "out of use"), ("schedulable", "open", "paused")];
        for (name, on, off) in switched {
            if let Some(to) = answer.get(name) {
                output.line(if *to == true { on } else { off });
                return;
            }
        }
        output.line(&message(answer));
        return;
    };
    match data {
        Value::Array(items) if items.iter().any(|item| item.get("memberCount").is_some()) => {
            items.iter().for_each(|item| group(item, output));
        }
        Value::Array(items) if items.iter().any(|item| item.get("time").is_some()) => {
            items.iter().for_each(|item| error(item, output));
        }
        Value::Array(items) => list(items, output),
        Value::Object(_) if data.get("authUrl").is_some() => {
            output.line("Open this link, log in and allow access:");
            output.line("");
            output.line(text(data, "authUrl"));
            output.line("");
            let kind =
                if text(data, "authUrl").contains("openai.com") { "openai" } else { "claude" };
            output.line(&format!(
                "Then: crs accounts add {kind} --name NAME --session {} --code FILE",
                text(data, "sessionId")
            ));
        }
        Value::Object(_) => {
            if !one(data, output, "") {
                output.line("Nothing is known.");
            }
        }
        _ => output.line("Done."),
    }
}

fn list(items: &[Value], output: &Output) {
    if items.is_empty() {
        output.line("None.");
    }
    for item in items {
        let mut state: Vec<&str> = Vec::new();
        state.push(match text(item, "status") {
            _ if item["isActive"] == false => "off",
            "" => "active",
            status => status,
        });
        if item["schedulable"] == false {
            state.push("paused");
        }
        let limited = item.pointer("/rateLimitStatus/isRateLimited");
        if limited.or(item.pointer("/rateLimitInfo/isRateLimited")) == Some(&Value::Bool(true)) {
            state.push("limited");
        }
        let cooling = item.pointer("/tempUnavailable/remainingSeconds").and_then(Value::as_i64);
        let cooling = cooling.map(|left| {
            let status = &item["tempUnavailable"]["statusCode"];
            format!("cooling down {left} s after {status}")
        });
        state.extend(cooling.as_deref());
        output.line(&format!(
            "{}  {:<16}  {:<18}  {}  (priority {}, {})",
            text(item, "id"),
            text(item, "kind"),
            state.join(", "),
            text(item, "name"),
            compat::js::field(item.get("priority")),
            text(item, "accountType")
        ));
    }
}

fn error(item: &Value, output: &Output) {
    let context = item.get("context").filter(|context| !context.is_null());
    output.line(&format!(
        "{}  {:<4} {:<20} {}",
        text(item, "time"),
        compat::js::field(item.get("status")),
        text(item, "errorType"),
        context.map(Value::to_string).unwrap_or_default()
    ));
}

fn group(item: &Value, output: &Output) {
    output.line(&format!(
        "{}  {:<7}  {}  ({} accounts)",
        text(item, "id"),
        text(item, "platform"),
        text(item, "name"),
        item["memberCount"]
    ));
}

/// Shows the members that say something; tells whether there were any.
fn one(item: &Value, output: &Output, before: &str) -> bool {
    let mut shown = false;
    for (name, value) in item.as_object().into_iter().flatten() {
        let name = format!("{before}{name}");
        shown |= match value {
            Value::Null => false,
            Value::String(text) if text.is_empty() => false,
            // A proxy may hold a password.
            _ if name == "proxy" => line(output, &name, &proxy(value)),
            Value::Object(members) if !members.is_empty() => {
                one(value, output, &format!("{name}."))
            }
            Value::String(text) => line(output, &name, text),
            other => line(output, &name, &other.to_string()),
        }
    }
    shown
}

fn line(output: &Output, name: &str, text: &str) -> bool {
    output.line(&format!("{name:<38} {text}"));
    true
}

fn proxy(value: &Value) -> String {
    let part = |name: &str| compat::js::field(value.get(name));
    format!("{}://{}:{}", part("type"), part("host"), part("port"))
}

fn text<'a>(item: &'a Value, name: &str) -> &'a str {
    item.get(name).and_then(Value::as_str).unwrap_or_default()
}
