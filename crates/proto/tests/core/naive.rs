//! Frames read the slow and obvious way, sharing no code with the core.

/// A frame, its payload unmasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// FIN, the reserved bits and the opcode.
    pub(crate) first: u8,
    pub(crate) key: Option<[u8; 4]>,
    pub(crate) payload: Vec<u8>,
}

/// All frames that stand in `bytes`.
///
/// Panics if the last one is cut.
pub(crate) fn frames(bytes: &[u8]) -> Vec<Frame> {
    let mut rest = bytes;
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let (frame, used) = frame(rest).expect("a whole frame");
        frames.push(frame);
        rest = &rest[used..];
    }
    frames
}

/// The frame at the start of `bytes` and its length, if it is whole.
pub(crate) fn frame(bytes: &[u8]) -> Option<(Frame, usize)> {
    let number = |range: core::ops::Range<usize>| {
        Some(bytes.get(range)?.iter().fold(0, |n, b| n << 8 | usize::from(*b)))
    };
    let (mut at, len) = match bytes.get(1)? & 0x7f {
        126 => (4, number(2..4)?),
        127 => (10, number(2..10)?),
        short => (2, usize::from(short)),
    };
    let mut key = None;
    if bytes[1] & 0x80 != 0 {
        key = Some(*bytes.get(at..)?.first_chunk::<4>()?);
        at += 4;
    }
    let mut payload = bytes.get(at..at.checked_add(len)?)?.to_vec();
    for (i, byte) in payload.iter_mut().enumerate() {
        *byte ^= key.map_or(0, |k| k[i % 4]);
    }
    Some((Frame { first: bytes[0], key, payload }, at + len))
}
