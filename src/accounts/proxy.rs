//! Outbound proxy of an account.

use compat::{number, pool::Entry, record::ProxyText};

use crate::domain::{ProxyConfig, ProxyKind, Secret};

/// The account's proxy; missing, broken and incomplete descriptions mean a direct connection.
pub(super) fn of(entry: &Entry) -> Option<ProxyConfig> {
    read(entry.get("proxy"))
}

/// A described proxy, as [`of`] reads it.
pub(super) fn read(text: &str) -> Option<ProxyConfig> {
    let stored = ProxyText::from(text.to_owned()).read()?;
    let kind = match stored.kind.as_str() {
        "socks5" => ProxyKind::Socks5,
        "http" => ProxyKind::Http,
        "https" => ProxyKind::Https,
        _ => return None,
    };
    let port = number::parse_int(&stored.port).and_then(|port| u16::try_from(port).ok())?;
    let credentials = (!stored.username.is_empty() && !stored.password.is_empty())
        .then(|| (stored.username, Secret::from(stored.password)));
    Some(ProxyConfig { kind, host: stored.host, port, credentials })
}
