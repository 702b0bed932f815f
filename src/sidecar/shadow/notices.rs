//! Notifications that Node sends on behalf of a request. They are no exchanges with a vendor, and second
//! runs send none, so they are taken out of the trace. Where they go, the settings say that Node itself
//! read for them.

use compat::store::Reply;
use serde_json::Value;
use url::Url;

use crate::sidecar::tap::{Exchange, NodeTrace};

/// Key of the settings.
const SETTINGS: &[u8] = b"webhook_config:default";
/// Where platforms that name no address of their own are asked.
const USUAL: [(&str, &str); 2] =
    [("bark", "https://api.day.app"), ("telegram", "https://api.telegram.org")];
/// Members that hold an address.
const ADDRESSES: [&str; 3] = ["url", "serverUrl", "apiBaseUrl"];

/// Takes notifications out of what Node asked vendors.
pub fn take_out(trace: &mut NodeTrace) {
    let receivers = receivers(trace);
    if !receivers.is_empty() {
        trace.exchanges.retain(|exchange| !is_for(exchange, &receivers));
    }
}

fn is_for(exchange: &Exchange, receivers: &[String]) -> bool {
    place(&exchange.request.url).is_some_and(|place| receivers.contains(&place))
}

/// Scheme, host and port of those who are told.
fn receivers(trace: &NodeTrace) -> Vec<String> {
    let settings = trace.commands.iter().filter_map(|command| {
        let reads = command.words.get(1).is_some_and(|key| key == SETTINGS);
        match &command.reply {
            Some(Reply::Data(text)) if reads => serde_json::from_slice::<Value>(text).ok(),
            _ => None,
        }
    });
    let mut found = Vec::new();
    for settings in settings {
        for platform in settings["platforms"].as_array().into_iter().flatten() {
            let named = ADDRESSES.iter().filter_map(|name| platform[name].as_str());
            let kind = platform["type"].as_str().unwrap_or_default();
            let usual = USUAL.iter().filter(|(known, _)| *known == kind).map(|(_, url)| *url);
            found.extend(named.chain(usual).filter_map(place));
        }
    }
    found
}

fn place(url: &str) -> Option<String> {
    let url = Url::parse(url.trim()).ok()?;
    let port = url.port_or_known_default().unwrap_or_default();
    Some(format!("{}://{}:{port}", url.scheme(), url.host_str()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sidecar::tap::{Command, RequestHead};

    fn exchange(url: &str) -> Exchange {
        Exchange {
            request: RequestHead { url: url.into(), ..RequestHead::default() },
            ..Exchange::default()
        }
    }

    #[test]
    fn those_who_are_told_are_no_vendors() {
        let settings = json!({ "platforms": [
            { "type": "custom", "url": "http://hooks.test:8080/relay" },
            { "type": "bark", "deviceKey": "k" },
        ] });
        let words = ["get", "webhook_config:default"].map(|word| word.to_owned().into()).to_vec();
        let reply = Some(Reply::Data(settings.to_string().into()));
        let mut trace = NodeTrace {
            commands: vec![Command { ms: 0.0, words, reply }],
            exchanges: vec![
                exchange("https://api.anthropic.com/v1/messages"),
                exchange("http://hooks.test:8080/relay"),
                exchange("http://hooks.test/relay"),
                exchange("https://api.day.app/push"),
                exchange("https://api.telegram.org/bot1/sendMessage"),
            ],
            ..NodeTrace::default()
        };
        take_out(&mut trace);
        let left: Vec<&str> = trace.exchanges.iter().map(|e| e.request.url.as_str()).collect();
        let vendors = [
            "https://api.anthropic.com/v1/messages",
            "http://hooks.test/relay",
            "https://api.telegram.org/bot1/sendMessage",
        ];
        assert_eq!(left, vendors);
        trace.commands.clear();
        take_out(&mut trace);
        assert_eq!(trace.exchanges.len(), vendors.len(), "nothing was read");
    }
}
