//! SOCKS5 with name resolution at the proxy, and the credentials of all proxies.

use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpStream;
use tokio_socks::{Error, TargetAddr, tcp::Socks5Stream};

use super::{SendError, SendErrorKind::Proxy, host_map::Endpoint};
use crate::domain::ProxyConfig;

/// Has the proxy connect to `target`.
pub(super) async fn open(
    stream: TcpStream,
    proxy: &ProxyConfig,
    target: &Endpoint,
) -> Result<TcpStream, SendError> {
    let address = match target.host.parse::<IpAddr>() {
        Ok(ip) => TargetAddr::Ip(SocketAddr::new(ip, target.port)),
        Err(_) => TargetAddr::Domain(target.host.as_str().into(), target.port),
    };
    let opened = match decoded_credentials(proxy) {
        Some((user, password)) => {
            Socks5Stream::connect_with_password_and_socket(stream, address, &user, &password).await
        }
        None => Socks5Stream::connect_with_socket(stream, address).await,
    };
    match opened {
        Ok(stream) => Ok(stream.into_inner()),
        Err(error) => Err(SendError::new(Proxy, describe(&error))),
    }
}

/// User name and password as sent to the proxy. The legacy service puts the raw texts into a URL and
/// takes them out percent-decoded, so operators may have stored them encoded.
pub(super) fn decoded_credentials(proxy: &ProxyConfig) -> Option<(String, String)> {
    let (user, password) = proxy.credentials.as_ref()?;
    Some((percent_decoded(user), percent_decoded(password.expose())))
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail.get(..2).filter(|_| *first == b'%').and_then(|pair| hex::decode(pair).ok());
        match hex {
            Some(decoded) => {
                bytes.extend(decoded);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// The legacy library's words.
fn describe(error: &Error) -> String {
    let reason = match error {
        Error::GeneralSocksServerFailure => "Failure",
        Error::ConnectionNotAllowedByRuleset => "NotAllowed",
        Error::NetworkUnreachable => "NetworkUnreachable",
        Error::HostUnreachable => "HostUnreachable",
        Error::ConnectionRefused => "ConnectionRefused",
        Error::TtlExpired => "TTLExpired",
        Error::CommandNotSupported => "CommandNotSupported",
        Error::AddressTypeNotSupported => "AddressNotSupported",
        Error::PasswordAuthFailure(_) => return "Socks5 Authentication failed".to_owned(),
        Error::NoAcceptableAuthMethods => {
            return "Received invalid Socks5 initial handshake (no accepted authentication type)"
                .to_owned();
        }
        Error::UnknownAuthMethod => {
            return "Received invalid Socks5 initial handshake (unknown authentication type)"
                .to_owned();
        }
        Error::InvalidResponseVersion => {
            return "Received invalid Socks5 initial handshake (invalid socks version)".to_owned();
        }
        Error::Io(_) => return "Socket closed".to_owned(),
        other => return other.to_string(),
    };
    format!("Socks5 proxy rejected connection - {reason}")
}

#[cfg(test)]
mod tests {
    use super::percent_decoded;

    #[test]
    fn credentials_are_decoded_once_when_they_are_encoded() {
        assert_eq!(percent_decoded("p%40ss%2Fw"), "p@ss/w");
        assert_eq!(percent_decoded("100%"), "100%");
        assert_eq!(percent_decoded("a%zz"), "a%zz");
        assert_eq!(percent_decoded("%ff"), "%ff", "not UTF-8: left alone");
    }
}
