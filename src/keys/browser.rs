//! Requests of browsers and browser extensions, made to look like the command-line client
//! (contract/auth-limits-usage.md §1.3).

use super::credential::strip_bearer;
use crate::domain::HeaderList;

const USER_AGENT: &str = "claude-cli/1.0.110 (external, cli, browser-fallback)";

/// Rewrites the headers of a browser's request that carries one of our keys; tells whether it did. The
/// prefix is the literal `cr_`, whatever `API_KEY_PREFIX` says (legacy quirk). Client validation and the
/// refusal that names the user agent see the rewritten headers.
pub fn rewrite_browser_request(headers: &mut HeaderList) -> bool {
    let from_extension = header(headers, "origin").starts_with("chrome-extension://");
    let agent = header(headers, "user-agent");
    let from_browser = agent.contains("Mozilla/") && agent.contains("Chrome/");
    if !from_extension && !from_browser {
        return false;
    }
    let plain_key = [key_in(headers, "x-api-key"), key_in(headers, "x-goog-api-key")]
        .into_iter()
        .find(|key| !key.is_empty())
        .unwrap_or_default()
        .to_owned();
    let bearer = key_in(headers, "authorization");
    if !(if bearer.is_empty() { &plain_key } else { bearer }).starts_with("cr_") {
        return false;
    }
    headers.set("user-agent", USER_AGENT);
    if !plain_key.is_empty() {
        set_if_missing(headers, "authorization", &format!("Bearer {plain_key}"));
    }
    set_if_missing(headers, "anthropic-version", "2023-06-01");
    set_if_missing(headers, "anthropic-dangerous-direct-browser-access", "true");
    true
}

fn header<'a>(headers: &'a HeaderList, name: &str) -> &'a str {
    headers.get(name).unwrap_or_default()
}

fn key_in<'a>(headers: &'a HeaderList, name: &str) -> &'a str {
    let text = js::trim(header(headers, name));
    strip_bearer(text).map_or(text, js::trim)
}

fn set_if_missing(headers: &mut HeaderList, name: &str, value: &str) {
    if header(headers, name).is_empty() {
        headers.set(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHROME: &str = "Mozilla/5.0 (X11) AppleWebKit Chrome/126 Safari";

    fn rewritten(pairs: &[(&str, &str)]) -> Option<HeaderList> {
        let mut headers: HeaderList = pairs.iter().copied().collect();
        rewrite_browser_request(&mut headers).then_some(headers)
    }

    #[test]
    fn a_browser_with_our_key_becomes_the_command_line_client() {
        let headers =
            rewritten(&[("user-agent", CHROME), ("x-api-key", "cr_key")]).unwrap_or_default();
        assert_eq!(headers.get("user-agent"), Some(USER_AGENT));
        assert_eq!(headers.get("authorization"), Some("Bearer cr_key"));
        assert_eq!(headers.get("anthropic-version"), Some("2023-06-01"));
        assert_eq!(headers.get("anthropic-dangerous-direct-browser-access"), Some("true"));
    }

    #[test]
    fn what_the_client_sent_stays() {
        let headers = rewritten(&[
            ("origin", "chrome-extension://abc"),
            ("user-agent", "x"),
            ("authorization", "Bearer cr_a"),
            ("anthropic-version", "2024"),
        ])
        .unwrap_or_default();
        assert_eq!(headers.get("authorization"), Some("Bearer cr_a"));
        assert_eq!(headers.get("anthropic-version"), Some("2024"));
    }

    #[test]
    fn others_are_left_alone() {
        assert_eq!(rewritten(&[("user-agent", CHROME), ("x-api-key", "sk-key")]), None);
        assert_eq!(rewritten(&[("user-agent", "claude-cli/2.0.0"), ("x-api-key", "cr_key")]), None);
        let foreign_bearer =
            [("user-agent", CHROME), ("authorization", "Bearer sk-1"), ("x-api-key", "cr_key")];
        assert_eq!(rewritten(&foreign_bearer), None, "the bearer token is looked at first");
    }
}
