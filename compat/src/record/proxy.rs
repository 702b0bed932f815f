//! Outbound proxy of an account.

use std::fmt;

use serde_json::Value;

/// The stored text of an account's proxy: JSON, or empty. May hold a password, so `Debug` hides it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ProxyText(String);

/// A complete proxy description.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// `socks5`, `http` or `https`; other kinds count as no proxy.
    pub kind: String,
    /// Host name or address.
    pub host: String,
    /// Port as stored, number or text.
    pub port: String,
    /// User name; empty when there is none.
    pub username: String,
    /// Password; empty when there is none. Credentials are used only when both are set.
    pub password: String,
}

impl ProxyText {
    /// The text exactly as it stands in Redis.
    pub fn as_stored(&self) -> &str {
        &self.0
    }

    /// Reads the description; `None` means a direct connection, also for broken or incomplete ones.
    pub fn read(&self) -> Option<Proxy> {
        let value: Value = serde_json::from_str(&self.0).ok()?;
        let text = |name| match value.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) if number.as_f64() != Some(0.0) => number.to_string(),
            _ => String::new(),
        };
        let proxy = Proxy {
            kind: text("type"),
            host: text("host"),
            port: text("port"),
            username: text("username"),
            password: text("password"),
        };
        let known = matches!(proxy.kind.as_str(), "socks5" | "http" | "https");
        (known && !proxy.host.is_empty() && !proxy.port.is_empty()).then_some(proxy)
    }
}

impl From<String> for ProxyText {
    fn from(stored: String) -> Self {
        Self(stored)
    }
}

impl fmt::Debug for ProxyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "ProxyText(none)" } else { "ProxyText(***)" })
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({}://{}:{})", self.kind, self.host, self.port)
    }
}
