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
/// The same of Amazon.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
/// IPv4 behind IPv6 (NAT64).
const NAT64: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];

/// Why no connection is made to this address; `None` when it is fine.
pub fn refuses_link_local(address: IpAddr) -> Option<&'static str> {
    let refused = match address {
        IpAddr::V4(address) => is_refused_v4(address),
        IpAddr::V6(address) => {
            let [.., high, low] = address.segments();
            let v4 = Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
            let translated = address.segments()[..6] == NAT64;
            let inner = address.to_ipv4_mapped().or(translated.then_some(v4));
            inner.is_some_and(is_refused_v4)
                || address.is_unicast_link_local()
                || address == METADATA_V6
        }
    };
    refused.then_some(
        "link-local and cloud metadata addresses are not notified; CRS_NOTIFY_ALLOW_LINK_LOCAL=true allows it",
    )
}

fn is_refused_v4(address: Ipv4Addr) -> bool {
    address.is_link_local() || METADATA_V4.contains(&address)
}
