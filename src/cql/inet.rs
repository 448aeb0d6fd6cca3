//! Internet addresses as Java reads and prints them (`InetAddressSerializer`, `InetAddress.getHostAddress`).

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address in four or sixteen bytes. Like Java's, an IPv4-mapped IPv6 address becomes an IPv4 address.
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(four).into());
    }
    let sixteen = Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?);
    Some(sixteen.to_ipv4_mapped().map_or(IpAddr::V6(sixteen), IpAddr::V4))
}

/// Appends the address: IPv6 in eight groups without leading zeros, never shortened with `::`.
pub(super) fn host_address(address: IpAddr, out: &mut String) {
    // Writing into a String does not fail.
    match address {
        IpAddr::V4(address) => write!(out, "{address}").unwrap_or_default(),
        IpAddr::V6(address) => {
            let [a, b, c, d, e, f, g, h] = address.segments();
            write!(out, "{a:x}:{b:x}:{c:x}:{d:x}:{e:x}:{f:x}:{g:x}:{h:x}").unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cql::text::tests::unhex;

    fn text(digits: &str) -> String {
        let mut out = String::new();
        host_address(address(&unhex(digits)).unwrap(), &mut out);
        out
    }

    #[test]
    fn addresses_print_as_java_does() {
        assert_eq!(text("63450de1"), "99.69.13.225");
        assert_eq!(text("0e9053c828b90ad708db078b42ed3f69"), "e90:53c8:28b9:ad7:8db:78b:42ed:3f69");
        assert_eq!(text("00000000000000000000000000000001"), "0:0:0:0:0:0:0:1");
        assert_eq!(text("00000000000000000000ffff01020304"), "1.2.3.4");
        assert_eq!(text("00000000000000000000000001020304"), "0:0:0:0:0:0:102:304");
    }

    #[test]
    fn other_lengths_are_no_addresses() {
        for length in [0, 1, 3, 5, 8, 15, 17] {
            assert_eq!(address(&vec![1; length]), None);
        }
    }
}
