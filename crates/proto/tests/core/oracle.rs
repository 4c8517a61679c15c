//! Frames written and read the slow and obvious way, sharing no code with the core.

/// A frame, its payload unmasked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// FIN, the reserved bits and the opcode.
    pub(crate) first: u8,
    pub(crate) key: Option<[u8; 4]>,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn opcode(&self) -> u8 {
        self.first & 0x0f
    }

    pub(crate) fn fin(&self) -> bool {
        self.first & 0x80 != 0
    }

    /// The frame on the wire, its length in the shortest form.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let len = self.payload.len();
        let mask_bit = if self.key.is_some() { 0x80 } else { 0 };
        let mut bytes = vec![self.first];
        if len < 126 {
            bytes.push(mask_bit | u8::try_from(len).expect("below 126"));
        } else if let Ok(len) = u16::try_from(len) {
            bytes.push(mask_bit | 0x7E);
            bytes.extend(len.to_be_bytes());
        } else {
            bytes.push(mask_bit | 0x7F);
            bytes.extend((len as u64).to_be_bytes());
        }
        bytes.extend(self.key.into_iter().flatten());
        let key = self.key.unwrap_or([0; 4]);
        bytes.extend(self.payload.iter().enumerate().map(|(i, b)| b ^ key[i % 4]));
        bytes
    }
}

/// A server's frame.
pub(crate) fn plain(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    Frame { first, key: None, payload: payload.as_ref().to_vec() }.encode()
}

/// A client's frame.
pub(crate) fn masked(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let key = Some([0xA1, 0x5C, 0x03, first]);
    Frame { first, key, payload: payload.as_ref().to_vec() }.encode()
}

/// The payload of a Close frame.
pub(crate) fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes()[..], reason.as_bytes()].concat()
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
