//! The receiver of notifications: what it is told to expect, and what it got.

use serde_json::{Map, Value, json};

use super::{
    redis::{Command, command},
    run::upstream,
    scenario::{Reply, Scenario},
    standin::StandIn,
    world::Outside,
};

/// Members of a platform that hold addresses.
const ADDRESSES: [&str; 3] = ["url", "serverUrl", "apiBaseUrl"];

/// Starts a scenario at the receiver; gives the command that stores the settings.
pub fn begin(outside: &Outside, scenario: &Scenario) -> Option<Command> {
    let taken = Reply { repeat: true, json: Some(json!({ "ok": true })), ..Reply::default() };
    let replies = scenario.webhook_replies.clone().unwrap_or_else(|| vec![taken]);
    outside.receiver.begin(Some(&replies));
    let settings = settings(scenario.webhook.as_ref()?, outside.receiver_port);
    Some(command(["SET", "webhook_config:default", &settings.to_string()]))
}

fn settings(given: &Map<String, Value>, port: u16) -> Value {
    let hook =
        json!({ "id": "hook", "type": "custom", "name": "Hook", "enabled": true, "url": "/hook" });
    let mut settings = json!({
        "enabled": true,
        "platforms": [hook],
        "retrySettings": { "maxRetries": 3, "retryDelay": 20, "timeout": 10000 },
    });
    for (name, value) in given {
        settings[name] = value.clone();
    }
    for platform in settings["platforms"].as_array_mut().into_iter().flatten() {
        for name in ADDRESSES {
            let text = platform.get(name).and_then(Value::as_str).unwrap_or_default();
            let (login, path) = text.split_at(text.find("@/").map_or(0, |at| at + 1));
            if path.starts_with('/') && !login.contains('/') {
                platform[name] = json!(format!("http://{login}127.0.0.1:{port}{path}"));
            }
        }
    }
    settings
}

/// What arrived. Platforms are told at the same time, so the order is that of the paths.
pub fn observed(receiver: &StandIn) -> Value {
    let mut posts: Vec<Value> = receiver.received().iter().map(upstream).collect();
    posts.sort_by_cached_key(|post| post["target"].to_string());
    Value::Array(posts)
}
