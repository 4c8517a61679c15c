//! IP networks, such as `10.0.0.0/8` (RFC 4632 §3.1, RFC 4291 §2.3).

use std::net::IpAddr;

/// An IP network: the addresses with the same leading bits.
///
/// An IPv4-mapped IPv6 address (`::ffff:10.0.0.1`, RFC 4291 §2.5.5.2) counts as the IPv4 address,
/// both here and in a lookup: so it is not in `::/0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cidr {
    network: IpAddr,
    bits: u8,
}

impl Cidr {
    /// Parses `address` or `address/bits`. Bits of the address after the first `bits` are ignored.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let Some((address, bits)) = text.split_once('/') else {
            return text.parse::<IpAddr>().ok().map(Self::from);
        };
        let address: IpAddr = address.parse().ok()?;
        let bits: u8 = bits.parse().ok().filter(|_| bits.bytes().all(|b| b.is_ascii_digit()))?;
        if bits > width(address) {
            return None;
        }
        match (address.to_canonical(), bits.checked_sub(96)) {
            (network @ IpAddr::V4(_), Some(bits)) if address.is_ipv6() => {
                Some(Self { network, bits })
            }
            _ => Some(Self { network: address, bits }),
        }
    }

    /// Whether an address is in it.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let (a, b) = match (address.to_canonical(), self.network) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits())),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits()),
            _ => return false,
        };
        // The bits outside the prefix; a shift by the whole width leaves none.
        let rest = u32::from(width(self.network) - self.bits);
        (a ^ b).checked_shr(rest).unwrap_or(0) == 0
    }
}

/// Converts an address to the network that has only that address.
impl From<IpAddr> for Cidr {
    fn from(address: IpAddr) -> Self {
        let network = address.to_canonical();
        Self { network, bits: width(network) }
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cidr_contains_the_addresses_of_its_network() {
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.1.2.3/8", "10.9.9.9", true),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("0.0.0.0/0", "::ffff:8.8.8.8", true),
            ("192.168.1.1", "192.168.1.1", true),
            ("192.168.1.1/32", "192.168.1.0", false),
            ("::1", "::1", true),
            ("::1/128", "::2", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "::ffff:10.0.0.1", false),
            ("fe80::/10", "febf::1", true),
            ("fe80::/10", "fec0::1", false),
            ("::ffff:10.0.0.0/104", "10.1.1.1", true),
            ("::ffff:10.0.0.0/104", "::ffff:11.1.1.1", false),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("::ffff:0:0/96", "10.0.0.1", true),
        ] {
            let cidr = Cidr::parse(network).unwrap();
            assert_eq!(cidr.contains(address.parse().unwrap()), expected, "{address} in {network}");
        }
        for bad in ["", "/", "10.0.0.0/33", "::/129", "10.0.0/8", "::/+1", "::/", "a/8", "[::1]"] {
            assert_eq!(Cidr::parse(bad), None, "{bad}");
        }
    }
}
