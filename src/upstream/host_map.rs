//! `UPSTREAM_HOST_MAP`: sends requests for vendors' hosts somewhere else, for tests and rehearsals.
//!
//! `api.anthropic.com=http://127.0.0.1:9600,*.googleapis.com=https://mirror:8443`. Only the connection
//! changes; the `host` header and the path stay the vendor's. An exact name beats a wildcard, a longer
//! wildcard beats a shorter one, `*` alone matches every host. This is the only place that knows it.

use std::fmt;

use thiserror::Error;
use url::Url;

/// Where a connection goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Host name or address, IPv6 without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Endpoint {
    /// Host and port, as proxies are told them.
    pub(super) fn authority(&self) -> String {
        let host = &self.host;
        if host.parse::<std::net::Ipv6Addr>().is_ok() {
            return format!("[{host}]:{}", self.port);
        }
        format!("{host}:{}", self.port)
    }
}

/// The parsed map; empty when nothing is redirected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostMap {
    rules: Vec<Rule>,
}

/// Why the text is no host map. The text is one sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("UPSTREAM_HOST_MAP: {0}")]
pub struct HostMapError(String);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    pattern: Pattern,
    endpoint: Endpoint,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Exact(String),
    /// Ending of the name, with its leading dot.
    Suffix(String),
    Any,
}

impl HostMap {
    /// Reads the setting's text. Blank text and blank entries are fine.
    pub fn parse(text: &str) -> Result<Self, HostMapError> {
        let mut rules: Vec<Rule> = Vec::new();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let rule = parse_rule(entry)?;
            if rules.iter().any(|known| known.pattern == rule.pattern) {
                return Err(HostMapError(format!("`{}` is mapped twice.", rule.pattern)));
            }
            rules.push(rule);
        }
        // Most specific first, so that the first match decides.
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.pattern.weight()));
        Ok(Self { rules })
    }

    /// Whether nothing is redirected.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Where requests for `host` go instead, if anywhere. Case does not matter.
    pub fn find(&self, host: &str) -> Option<&Endpoint> {
        self.rules.iter().find(|rule| rule.pattern.matches(host)).map(|rule| &rule.endpoint)
    }

    /// Every pattern with its target, for the start-up warning and `/health`.
    pub fn entries(&self) -> impl Iterator<Item = (String, String)> {
        self.rules.iter().map(|rule| (rule.pattern.to_string(), rule.endpoint.to_string()))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Suffix(suffix) => write!(f, "*{suffix}"),
            Self::Any => f.write_str("*"),
        }
    }
}

impl Pattern {
    fn weight(&self) -> usize {
        match self {
            Self::Exact(_) => usize::MAX,
            Self::Suffix(suffix) => suffix.len(),
            Self::Any => 0,
        }
    }

    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => name.eq_ignore_ascii_case(host),
            Self::Suffix(suffix) => {
                let (host, suffix) = (host.as_bytes(), suffix.as_bytes());
                host.len() > suffix.len()
                    && host[host.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
            }
            Self::Any => true,
        }
    }
}

fn parse_rule(entry: &str) -> Result<Rule, HostMapError> {
    let (pattern, target) = entry.split_once('=').ok_or_else(|| {
        HostMapError(format!("`{entry}` is not of the form host=http://address:port."))
    })?;
    Ok(Rule { pattern: parse_pattern(pattern.trim())?, endpoint: parse_target(target.trim())? })
}

fn parse_pattern(text: &str) -> Result<Pattern, HostMapError> {
    let name = text.to_ascii_lowercase();
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    };
    match name.strip_prefix('*') {
        Some("") => Ok(Pattern::Any),
        Some(rest) if rest.starts_with('.') && plain(rest) => Ok(Pattern::Suffix(rest.to_owned())),
        None if plain(&name) => Ok(Pattern::Exact(name)),
        _ => Err(HostMapError(format!(
            "`{text}` is no host name; write `api.example.com`, `*.example.com` or `*`."
        ))),
    }
}

fn parse_target(text: &str) -> Result<Endpoint, HostMapError> {
    let wrong = |why: &str| HostMapError(format!("target `{text}` {why}."));
    let url = Url::parse(text).map_err(|_| wrong("is no URL such as http://127.0.0.1:9600"))?;
    let tls = match url.scheme() {
        "http" => false,
        "https" => true,
        _ => return Err(wrong("must start with http:// or https://")),
    };
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("must not have a path; the vendor's path is kept"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must not hold credentials"));
    }
    let host = url.host_str().ok_or_else(|| wrong("has no host"))?;
    let port = url.port_or_known_default().ok_or_else(|| wrong("has no port"))?;
    Ok(Endpoint { tls, host: host.trim_matches(['[', ']']).to_owned(), port })
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn the_most_specific_rule_wins() {
        let map = HostMap::parse(
            "*=http://127.0.0.1:1, *.googleapis.com=http://127.0.0.1:2 ,\
             *.pa.googleapis.com=http://127.0.0.1:3,API.anthropic.com=https://[::1]:4,",
        )
        .unwrap();
        let port = |host: &str| map.find(host).map(|endpoint| endpoint.port);
        assert_eq!(port("api.anthropic.com"), Some(4));
        assert_eq!(port("Api.Anthropic.Com"), Some(4));
        assert_eq!(port("x.googleapis.com"), Some(2));
        assert_eq!(port("googleapis.com"), Some(1), "a wildcard needs a label");
        assert_eq!(port("cloudcode.pa.googleapis.com"), Some(3));
        assert_eq!(map.find("api.anthropic.com").unwrap().host, "::1");
        assert_eq!(map.entries().next().unwrap().1, "https://[::1]:4");
    }

    #[test]
    fn default_ports_follow_the_scheme() {
        let map = HostMap::parse("a=http://h,b=https://h").unwrap();
        assert_eq!(map.find("a").unwrap().port, 80);
        assert_eq!(map.find("b").unwrap().port, 443);
        assert!(map.find("c").is_none());
        assert!(HostMap::parse(" , ").unwrap().is_empty());
    }

    #[test]
    fn mistakes_are_told_in_one_sentence() {
        for (text, part) in [
            ("api.anthropic.com", "is not of the form"),
            ("a=ftp://h:1", "must start with http"),
            ("a=127.0.0.1:9600", "target `127.0.0.1:9600`"),
            ("a=http://h/v1", "must not have a path"),
            ("a=http://u:p@h", "must not hold credentials"),
            ("a*b=http://h", "is no host name"),
            ("a=http://h,A=http://i", "`a` is mapped twice"),
        ] {
            let message = HostMap::parse(text).unwrap_err().to_string();
            assert!(message.starts_with("UPSTREAM_HOST_MAP: "), "{message}");
            assert!(message.contains(part), "{text}: {message}");
            assert_eq!(message.matches(". ").count(), 0, "{message}");
        }
    }
}
