//! Addresses that notices must not go to.
//!
//! Operators notify machines of their own house, so private addresses are fine. Link-local ones and the
//! well-known addresses of cloud metadata services are not: whoever can write the settings could have this
//! machine talk to them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Metadata services outside of the link-local ranges: Alibaba, Azure, Oracle.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];
/// The same of Amazon (machines, pods) and Google.
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// Why no connection is made to this address; `None` when it is fine.
pub fn refuses_link_local(address: IpAddr) -> Option<&'static str> {
    let refused = match address {
        IpAddr::V4(address) => is_refused_v4(address),
        IpAddr::V6(address) => {
            inner_v4(address).is_some_and(is_refused_v4)
                || address.is_unicast_link_local()
                || METADATA_V6.contains(&address)
        }
    };
    refused.then_some(
        "link-local and cloud metadata addresses are not notified; CRS_NOTIFY_ALLOW_LINK_LOCAL=true allows it",
    )
}

fn is_refused_v4(address: Ipv4Addr) -> bool {
    address.is_link_local() || METADATA_V4.contains(&address)
}

/// The IPv4 address that an IPv6 address stands for: mapped, compatible, translated (NAT64) or tunnelled (6to4).
fn inner_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let pair = |high: u16, low: u16| Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => pair(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => pair(high, low),
        // Local prefixes of NAT64 end like the common one.
        [0x64, 0xff9b, 1, .., high, low] => pair(high, low),
        [0x2002, high, low, ..] => pair(high, low),
        _ => None,
    }
}
