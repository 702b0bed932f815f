//! Failures of sockets, TLS and HTTP framing as [`SendError`], in the legacy runtime's words.
//!
//! Clients and operators know these texts (`connect ECONNREFUSED …`, `socket hang up`, `aborted`), and
//! the legacy service's own error classes are found by matching them, so the spelling matters.

use std::{error::Error as StdError, io, net::SocketAddr};

use super::{
    SendError,
    SendErrorKind::{self, ConnectTimeout, Dns, Network, Protocol, Refused, Reset, Tls},
};

/// What the socket was doing when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Reading.
    Read,
    /// Writing.
    Write,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// A failed `connect`.
pub(super) fn connect(error: &io::Error, address: SocketAddr) -> SendError {
    let (kind, code) = classify(error.kind());
    let text = code.map_or_else(|| error.to_string(), str::to_owned);
    // The runtime prints IPv6 addresses without brackets.
    SendError::new(kind, format!("connect {text} {}:{}", address.ip(), address.port()))
        .with_code(code)
}

/// A `connect` that took too long.
pub(super) fn connect_timeout(address: SocketAddr) -> SendError {
    let message = format!("connect ETIMEDOUT {}:{}", address.ip(), address.port());
    SendError::new(ConnectTimeout, message)
}

/// A failed name lookup. `error` is `None` when the answer held no usable address.
pub(super) fn lookup(host: &str, error: Option<&io::Error>) -> SendError {
    // The resolver's code is only in its text: the standard library keeps no number.
    let again = error.is_some_and(|e| e.to_string().contains("Temporary failure"));
    if again {
        SendError::new(Dns, format!("getaddrinfo EAI_AGAIN {host}")).with_code(Some("EAI_AGAIN"))
    } else {
        SendError::new(Dns, format!("getaddrinfo ENOTFOUND {host}"))
    }
}

/// A failed read or write on an open connection.
pub(super) fn socket(operation: Operation, kind: io::ErrorKind) -> SendError {
    if kind == io::ErrorKind::UnexpectedEof {
        return hang_up();
    }
    let (class, code) = classify(kind);
    let text = code.map_or_else(|| kind.to_string(), str::to_owned);
    SendError::new(class, format!("{} {text}", operation.name())).with_code(code)
}

/// The peer closed before the answer's head.
pub(super) fn hang_up() -> SendError {
    SendError::new(Reset, "socket hang up")
}

/// The peer closed within the answer's body.
pub(super) fn aborted() -> SendError {
    SendError::new(Reset, "aborted")
}

/// No byte moved for the request's idle timeout.
pub(super) fn silence() -> SendError {
    SendError::new(SendErrorKind::IdleTimeout, "Request timeout")
}

/// A failed TLS handshake with `host`.
pub(super) fn handshake(error: &io::Error, host: &str) -> SendError {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(cause) = cause else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => SendError::new(
                Reset,
                "Client network socket disconnected before secure TLS connection was established",
            ),
            kind => socket(Operation::Read, kind),
        };
    };
    use rustls::CertificateError as Cert;
    let (message, code) = match cause {
        rustls::Error::InvalidCertificate(Cert::UnknownIssuer) => (
            "unable to get local issuer certificate".to_owned(),
            "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
        ),
        rustls::Error::InvalidCertificate(Cert::Expired | Cert::ExpiredContext { .. }) => {
            ("certificate has expired".to_owned(), "CERT_HAS_EXPIRED")
        }
        rustls::Error::InvalidCertificate(
            Cert::NotValidForName | Cert::NotValidForNameContext { .. },
        ) => (
            format!("Hostname/IP does not match certificate's altnames: Host: {host}."),
            "ERR_TLS_CERT_ALTNAME_INVALID",
        ),
        other => (format!("TLS handshake with {host} failed: {other}"), "EPROTO"),
    };
    SendError::new(Tls, message).with_code(Some(code))
}

/// A failure that hyper reports before the answer's head. `seen` is what the socket itself reported.
pub(super) fn before_head(
    error: &hyper::Error,
    seen: Option<(Operation, io::ErrorKind)>,
) -> SendError {
    if let Some((operation, kind)) = seen {
        return socket(operation, kind);
    }
    if error.is_parse_too_large() {
        return SendError::new(Protocol, "Parse Error: Header overflow")
            .with_code(Some("HPE_HEADER_OVERFLOW"));
    }
    if error.is_parse() {
        return SendError::new(Protocol, "Parse Error: Expected HTTP/")
            .with_code(Some("HPE_INVALID_CONSTANT"));
    }
    hang_up()
}

/// A failure that hyper reports within the answer's body.
pub(super) fn within_body(
    error: &hyper::Error,
    seen: Option<(Operation, io::ErrorKind)>,
) -> SendError {
    if let Some((operation, kind)) = seen.filter(|(_, kind)| *kind != io::ErrorKind::UnexpectedEof)
    {
        return socket(operation, kind);
    }
    let io_kind =
        error.source().and_then(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    match io_kind {
        Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => {
            SendError::new(Protocol, "Parse Error: Invalid character in chunk size")
                .with_code(Some("HPE_INVALID_CHUNK_SIZE"))
        }
        _ => aborted(),
    }
}

fn classify(kind: io::ErrorKind) -> (SendErrorKind, Option<&'static str>) {
    match kind {
        io::ErrorKind::ConnectionRefused => (Refused, Some("ECONNREFUSED")),
        io::ErrorKind::ConnectionReset => (Reset, Some("ECONNRESET")),
        io::ErrorKind::TimedOut => (ConnectTimeout, Some("ETIMEDOUT")),
        io::ErrorKind::HostUnreachable => (Network, Some("EHOSTUNREACH")),
        io::ErrorKind::NetworkUnreachable => (Network, Some("ENETUNREACH")),
        io::ErrorKind::AddrNotAvailable => (Network, Some("EADDRNOTAVAIL")),
        io::ErrorKind::BrokenPipe => (Network, Some("EPIPE")),
        io::ErrorKind::PermissionDenied => (Network, Some("EACCES")),
        io::ErrorKind::ConnectionAborted => (Network, Some("ECONNABORTED")),
        _ => (Network, None),
    }
}
