//! Integers with a prefix within a byte (RFC 7541 §5.1, RFC 9204 §4.1.1).

use super::DecodeError;
use crate::varint::MAX;

/// Decodes an integer with a prefix of 1 to 8 bits, and removes it from the input.
pub(super) fn decode(input: &mut &[u8], prefix: u8) -> Result<u64, DecodeError> {
    let mask = 0xff >> (8 - prefix);
    let (first, mut rest) = input.split_first().ok_or(DecodeError::Truncated)?;
    let mut value = u64::from(first & mask);
    if value == u64::from(mask) {
        // Up to 62 bits, in at most nine bytes of seven bits.
        for shift in (0..63).step_by(7) {
            let (byte, remaining) = rest.split_first().ok_or(DecodeError::Truncated)?;
            rest = remaining;
            value += u64::from(byte & 0x7f) << shift;
            if value > MAX {
                return Err(DecodeError::Integer);
            }
            if byte & 0x80 == 0 {
                *input = rest;
                return Ok(value);
            }
        }
        return Err(DecodeError::Integer);
    }
    *input = rest;
    Ok(value)
}

/// Appends an integer. `first` has the bits above its prefix.
pub(super) fn encode(first: u8, prefix: u8, value: u64, out: &mut Vec<u8>) {
    let mask = 0xff >> (8 - prefix);
    if value < u64::from(mask) {
        out.push(first | value.to_le_bytes()[0]);
        return;
    }
    out.push(first | mask);
    let mut left = value - u64::from(mask);
    while left >= 0x80 {
        out.push(left.to_le_bytes()[0] | 0x80);
        left >>= 7;
    }
    out.push(left.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(prefix: u8, value: u64) -> Vec<u8> {
        let mut out = Vec::new();
        encode(0, prefix, value, &mut out);
        let mut input = &out[..];
        assert_eq!(decode(&mut input, prefix), Ok(value));
        assert!(input.is_empty());
        for cut in 0..out.len() {
            assert_eq!(decode(&mut &out[..cut], prefix), Err(DecodeError::Truncated));
        }
        out
    }

    /// RFC 7541 Appendix C.1.
    #[test]
    fn integer_examples_of_the_rfc() {
        assert_eq!(round_trip(5, 10), [0b1010]);
        assert_eq!(round_trip(5, 1337), [0b1_1111, 0b1001_1010, 0b1010]);
        assert_eq!(round_trip(8, 42), [42]);
    }

    #[test]
    fn integer_edges_are_exact() {
        for prefix in 1..=8 {
            for value in [0, 1, 6, 7, 127, 128, 254, 255, 256, 16_511, 1 << 32, MAX] {
                round_trip(prefix, value);
            }
        }
        let too_large = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        assert_eq!(decode(&mut &too_large[..], 7), Err(DecodeError::Integer));
        // Too many leading zeros.
        let long = [0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0];
        assert_eq!(decode(&mut &long[..], 7), Err(DecodeError::Integer));
    }
}
