//! As much of HPACK (RFC 7541) as it takes to find field lines, where no dynamic table is in use.

use std::ops::Range;

/// The heads of one direction of a connection.
pub(crate) struct TunnelHeadFilter {
    are_requests: bool,
    /// The peer has given its dynamic table up (RFC 7541 §4.2), so that no line adds to it.
    is_without_table: bool,
}

/// Names of the static table (RFC 7541, appendix A).
const STATUS: Range<u32> = 8..15;
const CONTENT_LENGTH: u32 = 28;

/// A string as it is on the wire: whether it is Huffman-coded, and its bytes (RFC 7541 §5.2).
type Text<'b> = (bool, &'b [u8]);

/// Both forms of the names that are looked for.
const CONTENT_LENGTH_TEXTS: [Text<'static>; 2] = [
    (false, b"content-length"),
    (true, &[0x21, 0xea, 0x49, 0x6a, 0x4a, 0xd4, 0x16, 0xa9, 0x93, 0x3f]),
];
const PROTOCOL_TEXTS: [Text<'static>; 2] =
    [(false, b":protocol"), (true, &[0xb9, 0x5d, 0x87, 0x49, 0xc8, 0x7a, 0x3f])];
const ZERO_TEXTS: [Text<'static>; 2] = [(false, b"0"), (true, &[0x07])];

/// What is looked for in a field block.
#[derive(Default)]
struct FieldScan {
    is_tunnel: bool,
    lengths: Vec<Range<usize>>,
}

impl TunnelHeadFilter {
    pub(crate) fn requests() -> Self {
        Self { are_requests: true, is_without_table: false }
    }

    pub(crate) fn responses() -> Self {
        Self { are_requests: false, is_without_table: false }
    }

    /// What is to be taken out of a field block: each `content-length` in a 2xx, and each of zero
    /// in an extended CONNECT. Nothing of a block that can't be read, which `h2` refuses.
    pub(crate) fn cuts(&mut self, block: &[u8]) -> Vec<Range<usize>> {
        match self.find(block) {
            Some(found) if found.is_tunnel => found.lengths,
            _ => Vec::new(),
        }
    }

    fn find(&mut self, block: &[u8]) -> Option<FieldScan> {
        let mut found = FieldScan::default();
        let mut rest = block;
        while let Some(&first) = rest.first() {
            let begin = block.len() - rest.len();
            match first {
                // Indexed (§6.1): of what matters, the table has three statuses.
                0x80.. => {
                    let index = integer(&mut rest, 7)?;
                    found.is_tunnel |= !self.are_requests && matches!(index, 8..=10);
                }
                // The size of the table (§6.3).
                0x20..0x40 => self.is_without_table = integer(&mut rest, 5)? == 0,
                _ => {
                    let is_indexed = first & 0x40 != 0;
                    let index = integer(&mut rest, if is_indexed { 6 } else { 4 })?;
                    let name = if index == 0 { Some(text(&mut rest)?) } else { None };
                    let value = text(&mut rest)?;
                    let is_length = index == CONTENT_LENGTH
                        || name.is_some_and(|name| CONTENT_LENGTH_TEXTS.contains(&name));
                    let is_meant = !self.are_requests || ZERO_TEXTS.contains(&value);
                    if is_length && is_meant && (!is_indexed || self.is_without_table) {
                        found.lengths.push(begin..block.len() - rest.len());
                    }
                    found.is_tunnel |= if self.are_requests {
                        name.is_some_and(|name| PROTOCOL_TEXTS.contains(&name))
                    } else {
                        STATUS.contains(&index) && is_success(value)
                    };
                }
            }
        }
        Some(found)
    }
}

/// Whether it is a status that begins with a 2, whose Huffman code is 00010.
fn is_success((is_coded, bytes): Text<'_>) -> bool {
    match bytes.first() {
        Some(first) if is_coded => first >> 3 == 0b0_0010,
        first => first == Some(&b'2'),
    }
}

/// An integer whose first byte has this many bits of it (§5.1).
fn integer(rest: &mut &[u8], bits: u32) -> Option<u32> {
    let (first, mut left) = rest.split_first()?;
    let most = (1_u32 << bits) - 1;
    let mut value = u32::from(*first) & most;
    if value == most {
        let mut shift = 0;
        loop {
            let (byte, behind) = left.split_first()?;
            left = behind;
            // No index and no length is as large.
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

fn text<'b>(rest: &mut &'b [u8]) -> Option<Text<'b>> {
    let is_coded = rest.first()? & 0x80 != 0;
    let length = usize::try_from(integer(rest, 7)?).ok()?;
    let (text, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some((is_coded, text))
}
