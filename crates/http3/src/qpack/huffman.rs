//! The Huffman code of header strings (RFC 7541 Appendix B).
//!
//! The code is canonical: symbols with codes of the same length have consecutive codes, and the
//! first code of a length follows the last one of the shorter length. So the lengths define it.

use super::DecodeError;

/// The end-of-string symbol, which is not allowed in a string.
const EOS: usize = 256;
/// The length in bits of the shortest code.
const MIN_CODE_LEN: usize = 5;
/// The length in bits of the longest code.
const MAX_CODE_LEN: usize = 30;

/// The length in bits of each symbol's code.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
    7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
    23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/// The codes, and what is needed to decode them.
struct HuffmanTable {
    codes: [u32; 257],
    /// The symbols, ordered by code.
    symbols: [u16; 257],
    /// For each length: the first code, the number of codes, and the index of their first symbol.
    ranges: [(u32, u32, usize); MAX_CODE_LEN + 1],
}

static TABLE: HuffmanTable = HuffmanTable::new();

impl HuffmanTable {
    const fn new() -> Self {
        let mut table =
            Self { codes: [0; 257], symbols: [0; 257], ranges: [(0, 0, 0); MAX_CODE_LEN + 1] };
        let (mut code, mut filled, mut length) = (0, 0, MIN_CODE_LEN);
        while length <= MAX_CODE_LEN {
            let (first, start) = (code, filled);
            let mut symbol = 0;
            while symbol <= EOS {
                if LENGTHS[symbol] as usize == length {
                    table.codes[symbol] = code;
                    #[allow(clippy::cast_possible_truncation, reason = "at most 256")]
                    let short = symbol as u16;
                    table.symbols[filled] = short;
                    code += 1;
                    filled += 1;
                }
                symbol += 1;
            }
            table.ranges[length] = (first, code - first, start);
            code <<= 1;
            length += 1;
        }
        table
    }
}

/// Returns the length of an encoded string in bytes.
pub(super) fn encoded_len(text: &[u8]) -> usize {
    let bits: usize = text.iter().map(|byte| usize::from(LENGTHS[usize::from(*byte)])).sum();
    bits.div_ceil(8)
}

/// Appends an encoded string, padded with ones (RFC 7541 §5.2).
pub(super) fn encode(text: &[u8], out: &mut Vec<u8>) {
    let (mut bits, mut bit_count) = (0_u64, 0_u32);
    for byte in text {
        let symbol = usize::from(*byte);
        let length = u32::from(LENGTHS[symbol]);
        bits = bits << length | u64::from(TABLE.codes[symbol]);
        bit_count += length;
        while bit_count >= 8 {
            bit_count -= 8;
            out.push((bits >> bit_count).to_le_bytes()[0]);
        }
    }
    if bit_count > 0 {
        let padded = bits << (8 - bit_count) | (0xff >> bit_count);
        out.push(padded.to_le_bytes()[0]);
    }
}

/// Decodes a string, which is at most 8/5 as long as its encoding.
pub(super) fn decode(encoded: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut out = Vec::with_capacity(encoded.len() + encoded.len() / 2);
    // The bits not decoded yet are at the low end.
    let (mut bits, mut bit_count) = (0_u64, 0_usize);
    let mut input = encoded.iter();
    loop {
        while bit_count <= 32 {
            let Some(byte) = input.next() else { break };
            bits = bits << 8 | u64::from(*byte);
            bit_count += 8;
        }
        let Some((symbol, length)) = next_symbol(bits, bit_count) else {
            // RFC 7541 §5.2: the padding has fewer than eight bits, which are all ones.
            let ones = (1_u64 << bit_count.min(8)) - 1;
            let is_padding = bit_count < 8 && bits & ones == ones;
            return if is_padding { Ok(out) } else { Err(DecodeError::Huffman) };
        };
        bit_count -= length;
        match u8::try_from(symbol) {
            Ok(byte) => out.push(byte),
            Err(_) => return Err(DecodeError::Huffman),
        }
    }
}

/// Returns the first symbol of these bits, and the length of its code. Returns `None` if the code
/// is incomplete.
fn next_symbol(bits: u64, bit_count: usize) -> Option<(u16, usize)> {
    for length in MIN_CODE_LEN..=MAX_CODE_LEN.min(bit_count) {
        let mask = (1_u64 << length) - 1;
        let code = (bits >> (bit_count - length)) & mask;
        let (first, count, start) = TABLE.ranges[length];
        if let Some(n) = code.checked_sub(u64::from(first))
            && n < u64::from(count)
        {
            return Some((TABLE.symbols[start + usize::try_from(n).ok()?], length));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7541 Appendix C.4 and C.6.
    #[test]
    fn huffman_examples_of_the_rfc() {
        for (text, encoded) in [
            ("www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"),
            ("no-cache", "a8eb10649cbf"),
            ("custom-key", "25a849e95ba97d7f"),
            ("custom-value", "25a849e95bb8e8b4bf"),
            ("302", "6402"),
            ("private", "aec3771a4b"),
            ("Mon, 21 Oct 2013 20:13:21 GMT", "d07abe941054d444a8200595040b8166e082a62d1bff"),
        ] {
            let mut out = Vec::new();
            encode(text.as_bytes(), &mut out);
            let hex: Vec<_> = out.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex.concat(), encoded);
            assert_eq!(encoded_len(text.as_bytes()), out.len());
            assert_eq!(decode(&out).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn huffman_symbols_are_read_back_at_every_bit_offset() {
        for symbol in 0..=255_u8 {
            for padding in 0..8 {
                let mut text = vec![b'0'; padding];
                text.extend([symbol, b'a', symbol]);
                let mut out = Vec::new();
                encode(&text, &mut out);
                assert_eq!(decode(&out).unwrap(), text);
            }
        }
    }

    #[test]
    fn huffman_padding_and_end_symbol_faults_are_rejected() {
        // "0" is five zeros.
        assert_eq!(decode(&[0b0000_0111]).unwrap(), b"0");
        assert_eq!(decode(&[0b0000_0110]), Err(DecodeError::Huffman));
        // A whole byte of padding.
        assert_eq!(decode(&[0b0000_0111, 0xff]), Err(DecodeError::Huffman));
        assert_eq!(decode(&[0xff]), Err(DecodeError::Huffman));
        assert_eq!(decode(&[0xff, 0xff, 0xff, 0xff]), Err(DecodeError::Huffman));
        assert_eq!(decode(&[]).unwrap(), b"");
    }
}
