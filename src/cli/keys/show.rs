//! Keys as people read them.

use serde_json::Value;

use super::super::{Output, output::message};

/// Shows an answer of the admin API; `of_tags` when it is a list of tags.
pub(super) fn answer(answer: &Value, of_tags: bool, output: &Output) {
    match answer.get("data") {
        Some(Value::Array(items)) if of_tags => tags(items, output),
        Some(Value::Array(items)) if items.iter().any(|item| item.get("apiKey").is_some()) => {
            items.iter().for_each(|item| made(item, output));
        }
        Some(Value::Array(items)) => {
            list(items, output);
            if let Some(total) = answer.get("total") {
                output.line(&format!("{} of {total}", items.len()));
            }
        }
        Some(item) if item.get("newExpiresAt").is_some() => {
            output.line(&format!("Ends {}", text(item, "newExpiresAt")));
        }
        Some(item) if item.get("apiKey").is_some() || item.get("key").is_some() => {
            made(item, output);
        }
        Some(item) => one(item, output),
        None => output.line(&message(answer)),
    }
}

fn made(item: &Value, output: &Output) {
    let secret = text(item, "apiKey");
    let secret = if secret.is_empty() { text(item, "key") } else { secret };
    output.line(&format!("{}  {}  {secret}", text(item, "id"), text(item, "name")));
    output.line("Keep the key: it cannot be shown again.");
}

fn list(items: &[Value], output: &Output) {
    if items.is_empty() {
        output.line("No keys.");
    }
    for item in items {
        let state = if item["isDeleted"] == true {
            "deleted"
        } else if item["isActive"] == true {
            "active"
        } else {
            "off"
        };
        let used = match text(item, "lastUsedAt") {
            "" => "never used".into(),
            at => format!("used {at}"),
        };
        let end = match text(item, "expiresAt") {
            "" => String::new(),
            at => format!(", ends {at}"),
        };
        let tags = item["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
        let tags: String =
            tags.iter().filter_map(Value::as_str).map(|tag| format!(" #{tag}")).collect();
        output.line(&format!(
            "{}  {state:<7}  {}{tags}  ({used}{end})",
            text(item, "id"),
            text(item, "name")
        ));
    }
}

fn tags(items: &[Value], output: &Output) {
    if items.is_empty() {
        output.line("No tags.");
    }
    for item in items {
        output.line(&format!("{:>5}  {}", item["count"], text(item, "name")));
    }
}

fn one(item: &Value, output: &Output) {
    for (name, value) in item.as_object().into_iter().flatten() {
        let shown = match value {
            Value::String(text) if text.is_empty() => continue,
            Value::Null => continue,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        output.line(&format!("{name:<38} {shown}"));
    }
}

fn text<'a>(item: &'a Value, name: &str) -> &'a str {
    item.get(name).and_then(Value::as_str).unwrap_or_default()
}
