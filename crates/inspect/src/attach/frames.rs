//! Where messages begin in what one side sends.

use fullduplex_proto::frame::{MAX_HEADER_LEN, OpCode, RawFrameHeader};

/// The place within the frames of a direction.
#[derive(Debug, Default)]
pub(super) struct FramePlace {
    header: [u8; MAX_HEADER_LEN],
    header_len: usize,
    /// The bytes of the current payload that have not come.
    payload_left: u64,
    is_within_message: bool,
}

impl FramePlace {
    /// Takes the next bytes, and returns where among them the first frame begins that is not
    /// within a message.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Option<usize> {
        let (mut at, mut found) = (0, None);
        while at < bytes.len() {
            if self.payload_left > 0 {
                let left = usize::try_from(self.payload_left).unwrap_or(usize::MAX);
                let taken = left.min(bytes.len() - at);
                self.payload_left -= taken as u64;
                at += taken;
                continue;
            }
            if self.header_len == 0 && !self.is_within_message {
                found = found.or(Some(at));
            }
            self.header[self.header_len] = bytes[at];
            self.header_len += 1;
            at += 1;
            if let Some(header) = RawFrameHeader::decode(&self.header[..self.header_len]) {
                self.header_len = 0;
                self.payload_left = header.payload_len();
                if let Some(OpCode::Text | OpCode::Binary | OpCode::Continuation) =
                    OpCode::from_bits(header.opcode_bits())
                {
                    self.is_within_message = !header.fin();
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_place_finds_the_next_frame_that_is_not_within_a_message() {
        let bytes = b"\x81\x82\0\0\0\0hi\x01\x02He\x89\x00\x80\x03llo\x88\x00";
        let starts = [0, 8, 19];
        let mut place = FramePlace::default();
        let mut found = Vec::new();
        for (at, byte) in bytes.iter().enumerate() {
            found.extend(place.push(&[*byte]).map(|within| at + within));
        }
        assert_eq!(found, starts);
        // However the bytes are cut.
        for cut in 0..bytes.len() {
            let mut place = FramePlace::default();
            assert_eq!(place.push(&bytes[..cut]), (cut > 0).then_some(0));
            let next = starts.into_iter().find(|start| *start >= cut);
            assert_eq!(place.push(&bytes[cut..]), next.map(|next| next - cut), "{cut}");
        }
    }
}
