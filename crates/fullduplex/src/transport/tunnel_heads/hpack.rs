//! The part of HPACK (RFC 7541) that finds field lines, if no dynamic table is in use.

use std::ops::Range;

/// A filter for the heads of one direction of a connection.
pub(crate) struct TunnelHeadFilter {
    are_requests: bool,
    /// Whether the peer has set its dynamic table to 0 (RFC 7541 §4.2), so that no line adds to it.
    has_no_table: bool,
}

/// Names of the static table (RFC 7541, appendix A).
const STATUS: Range<u32> = 8..15;
const CONTENT_LENGTH: u32 = 28;

/// A string as it is on the wire: whether it is Huffman-coded, and its bytes (RFC 7541 §5.2).
type Text<'b> = (bool, &'b [u8]);

/// The plain and the Huffman-coded form of the names and values to find.
const CONTENT_LENGTH_TEXTS: [Text<'static>; 2] = [
    (false, b"content-length"),
    (true, &[0x21, 0xea, 0x49, 0x6a, 0x4a, 0xd4, 0x16, 0xa9, 0x93, 0x3f]),
];
const PROTOCOL_TEXTS: [Text<'static>; 2] =
    [(false, b":protocol"), (true, &[0xb9, 0x5d, 0x87, 0x49, 0xc8, 0x7a, 0x3f])];
const ZERO_TEXTS: [Text<'static>; 2] = [(false, b"0"), (true, &[0x07])];

/// The result of scanning a field block.
#[derive(Default)]
struct FieldScan {
    is_tunnel: bool,
    lengths: Vec<Range<usize>>,
}

impl TunnelHeadFilter {
    pub(crate) fn requests() -> Self {
        Self { are_requests: true, has_no_table: false }
    }

    pub(crate) fn responses() -> Self {
        Self { are_requests: false, has_no_table: false }
    }

    /// Returns the ranges to remove from a field block: each `content-length` in a 2xx, and each of
    /// zero in an extended CONNECT. A malformed block is left unchanged, for `h2` to reject.
    pub(crate) fn removals(&mut self, block: &[u8]) -> Vec<Range<usize>> {
        match self.scan(block) {
            Some(scan) if scan.is_tunnel => scan.lengths,
            _ => Vec::new(),
        }
    }

    fn scan(&mut self, block: &[u8]) -> Option<FieldScan> {
        let mut scan = FieldScan::default();
        let mut rest = block;
        while let Some(&first) = rest.first() {
            let begin = block.len() - rest.len();
            match first {
                // Indexed (§6.1): the only relevant entries are three statuses.
                0x80.. => {
                    let index = integer(&mut rest, 7)?;
                    scan.is_tunnel |= !self.are_requests && matches!(index, 8..=10);
                }
                // The size of the table (§6.3).
                0x20..0x40 => self.has_no_table = integer(&mut rest, 5)? == 0,
                _ => {
                    let is_indexed = first & 0x40 != 0;
                    let index = integer(&mut rest, if is_indexed { 6 } else { 4 })?;
                    let name = if index == 0 { Some(text(&mut rest)?) } else { None };
                    let value = text(&mut rest)?;
                    let is_length = index == CONTENT_LENGTH
                        || name.is_some_and(|name| CONTENT_LENGTH_TEXTS.contains(&name));
                    let is_meant = !self.are_requests || ZERO_TEXTS.contains(&value);
                    if is_length && is_meant && (!is_indexed || self.has_no_table) {
                        scan.lengths.push(begin..block.len() - rest.len());
                    }
                    scan.is_tunnel |= if self.are_requests {
                        name.is_some_and(|name| PROTOCOL_TEXTS.contains(&name))
                    } else {
                        STATUS.contains(&index) && is_success(value)
                    };
                }
            }
        }
        Some(scan)
    }
}

/// Whether a status starts with 2, whose Huffman code is 00010.
fn is_success((is_coded, bytes): Text<'_>) -> bool {
    match bytes.first() {
        Some(first) if is_coded => first >> 3 == 0b0_0010,
        first => first == Some(&b'2'),
    }
}

/// Decodes an integer that has this many bits in its first byte (§5.1).
fn integer(rest: &mut &[u8], bits: u32) -> Option<u32> {
    let (first, mut left) = rest.split_first()?;
    let max = (1_u32 << bits) - 1;
    let mut value = u32::from(*first) & max;
    if value == max {
        let mut shift = 0;
        loop {
            let (byte, remaining) = left.split_first()?;
            left = remaining;
            // No index or length is that large.
            if shift > 21 {
                return None;
            }
            value += u32::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
    }
    *rest = left;
    Some(value)
}

/// Decodes a string (§5.2).
fn text<'b>(rest: &mut &'b [u8]) -> Option<Text<'b>> {
    let is_coded = rest.first()? & 0x80 != 0;
    let length = usize::try_from(integer(rest, 7)?).ok()?;
    let (text, remaining) = rest.split_at_checked(length)?;
    *rest = remaining;
    Some((is_coded, text))
}
