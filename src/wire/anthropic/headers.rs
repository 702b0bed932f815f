//! Client headers as the legacy service sees and filters them.

use crate::domain::{HeaderList, joint};

/// Client headers that may reach a Claude upstream (`src/utils/headerFilter.js:filterForClaude`).
const FORWARDED: [&str; 19] = [
    "accept",
    "x-stainless-retry-count",
    "x-stainless-timeout",
    "x-stainless-lang",
    "x-stainless-package-version",
    "x-stainless-os",
    "x-stainless-arch",
    "x-stainless-runtime",
    "x-stainless-runtime-version",
    "x-stainless-helper-method",
    "anthropic-dangerous-direct-browser-access",
    "anthropic-version",
    "x-app",
    "anthropic-beta",
    "accept-language",
    "sec-fetch-mode",
    "user-agent",
    "content-type",
    "connection",
];

/// Headers as a Node request object holds them: names in lower case, repeated ones folded into the
/// place of the first.
pub fn fold(headers: &HeaderList) -> HeaderList {
    let mut out = HeaderList::new();
    for (name, value) in headers.iter() {
        let name = name.to_ascii_lowercase();
        match (out.get(&name), joint(&name)) {
            (None, _) => out.push(name, value),
            (Some(_), None) => {}
            (Some(first), Some(joint)) => {
                let joined = format!("{first}{joint}{value}");
                out.set(&name, joined);
            }
        }
    }
    out
}

/// Folded client headers that may reach a Claude upstream, in the client's order.
pub fn forwardable(headers: &HeaderList) -> HeaderList {
    fold(headers).iter().filter(|(name, _)| FORWARDED.contains(name)).collect()
}
