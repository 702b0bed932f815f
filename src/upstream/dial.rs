//! Names and TCP connections.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use super::{SendError, failure};

/// How long one address of several is tried before the next, as in the legacy runtime.
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// Which addresses of a name count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// All.
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

impl Family {
    fn accepts(self, address: &SocketAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

/// Opens a TCP connection, trying the name's addresses in turn. Literal addresses are used whatever
/// the family.
pub(super) async fn connect(
    host: &str,
    port: u16,
    family: Family,
    limit: Duration,
) -> Result<TcpStream, SendError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return connect_one(SocketAddr::new(address, port), limit).await;
    }
    let addresses = resolve(host, port, family).await?;
    let last = addresses.len().saturating_sub(1);
    let mut first_error = None;
    for (index, address) in addresses.into_iter().enumerate() {
        let limit = if index < last { NEXT_ADDRESS_AFTER.min(limit) } else { limit };
        match connect_one(address, limit).await {
            Ok(stream) => return Ok(stream),
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    Err(first_error.unwrap_or_else(|| failure::lookup(host, None)))
}

/// All addresses of a host.
pub(super) async fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, SendError> {
    match host.parse::<IpAddr>() {
        Ok(address) => Ok(vec![SocketAddr::new(address, port)]),
        Err(_) => resolve(host, port, Family::Any).await,
    }
}

/// The name's addresses in the resolver's order, families alternating.
async fn resolve(host: &str, port: u16, family: Family) -> Result<Vec<SocketAddr>, SendError> {
    let found: Vec<SocketAddr> = lookup_host((host, port))
        .await
        .map_err(|error| failure::lookup(host, Some(&error)))?
        .filter(|address| family.accepts(address))
        .collect();
    let leads_v6 = found.first().is_some_and(SocketAddr::is_ipv6);
    let (same, other): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|address| address.is_ipv6() == leads_v6);
    let mut other = other.into_iter();
    let mut mixed = Vec::new();
    for address in same {
        mixed.push(address);
        mixed.extend(other.next());
    }
    mixed.extend(other);
    if mixed.is_empty() { Err(failure::lookup(host, None)) } else { Ok(mixed) }
}

async fn connect_one(address: SocketAddr, limit: Duration) -> Result<TcpStream, SendError> {
    match timeout(limit, TcpStream::connect(address)).await {
        Err(_) => Err(failure::connect_timeout(address)),
        Ok(Err(error)) => Err(failure::connect(&error, address)),
        Ok(Ok(stream)) => {
            // Requests are written whole; waiting for more to send only delays them.
            let _: io::Result<()> = stream.set_nodelay(true);
            Ok(stream)
        }
    }
}
