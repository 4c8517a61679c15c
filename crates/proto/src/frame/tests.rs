use super::*;
use alloc::vec::Vec;
use proptest::prelude::*;

/// What a header says: fin, rsv, opcode, key, payload length, its own length.
type HeaderFields = (bool, u8, u8, Option<[u8; 4]>, u64, usize);

/// The header read bit by bit, as the figure of §5.2 draws it.
fn oracle(bytes: &[u8]) -> Option<HeaderFields> {
    let mut bits = bytes.iter().flat_map(|b| (0..8).rev().map(move |i| u64::from(b >> i & 1)));
    let mut take = |n: u32| (0..n).try_fold(0, |v, _| Some(v << 1 | bits.next()?));
    let fin = take(1)? == 1;
    let rsv = take(3)? as u8;
    let opcode = take(4)? as u8;
    let masked = take(1)? == 1;
    let (len, mut used) = match take(7)? {
        126 => (take(16)?, 4),
        127 => (take(64)?, 10),
        n => (n, 2),
    };
    let key = if masked {
        used += 4;
        Some((take(32)? as u32).to_be_bytes())
    } else {
        None
    };
    Some((fin, rsv, opcode, key, len, used))
}

proptest! {
    #[test]
    fn frame_header_decodes_as_the_oracle(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
        let ours = RawFrameHeader::decode(&bytes).map(|h| {
            (h.fin(), h.rsv(), h.opcode_bits(), h.key(), h.payload_len(), h.header_len())
        });
        prop_assert_eq!(ours, oracle(&bytes));
    }

    #[test]
    fn frame_header_is_read_back(
        op in 0u8..16, fin: bool, key: Option<[u8; 4]>,
        len in prop_oneof![0u64..300, 65_000u64..66_000, 0..u64::MAX >> 1],
    ) {
        let Some(opcode) = OpCode::from_bits(op) else { return Ok(()) };
        prop_assume!(!opcode.is_control() || (fin && len <= 125));
        let bytes = EncodedFrameHeader::new(opcode, fin, key, len);
        let role = if key.is_some() { Role::Server } else { Role::Client };
        let raw = RawFrameHeader::decode(bytes.as_bytes()).unwrap();
        let header = raw.validate(role, false).unwrap();
        prop_assert_eq!(header.opcode, opcode);
        prop_assert_eq!(header.fin, fin);
        prop_assert_eq!(header.key, key);
        prop_assert_eq!(header.payload_len, len);
        for cut in 0..bytes.as_bytes().len() {
            prop_assert!(RawFrameHeader::decode(&bytes.as_bytes()[..cut]).is_none());
        }
    }
}

fn check(role: Role, bytes: &[u8]) -> Result<FrameHeader, ProtocolError> {
    RawFrameHeader::decode(bytes).expect("a whole header").validate(role, false)
}

#[test]
fn frame_header_faults_are_refused() {
    use ProtocolError as E;
    let client = |bytes: &[u8]| check(Role::Client, bytes).unwrap_err();
    assert_eq!(client(&[0x91, 0]), E::ReservedBits(1));
    assert_eq!(client(&[0xA1, 0]), E::ReservedBits(2));
    assert_eq!(client(&[0xC1, 0]), E::ReservedBits(4));
    for op in [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF] {
        assert_eq!(client(&[0x80 | op, 0]), E::ReservedOpcode(op));
    }
    for op in [8, 9, 10] {
        assert_eq!(client(&[op, 0]), E::FragmentedControl);
        assert_eq!(client(&[0x80 | op, 126, 0, 126]), E::ControlTooLong);
    }
    assert_eq!(client(&[0x81, 0x80, 0, 0, 0, 0]), E::Masked);
    assert_eq!(check(Role::Server, &[0x81, 0]).unwrap_err(), E::Unmasked);
}

#[test]
fn frame_lengths_are_minimal_and_63_bits() {
    use ProtocolError as E;
    let long = |len: u64| {
        let mut bytes = Vec::from([0x82, 127]);
        bytes.extend(len.to_be_bytes());
        check(Role::Client, &bytes)
    };
    assert_eq!(check(Role::Client, &[0x82, 126, 0, 125]).unwrap_err(), E::LengthNotMinimal);
    assert_eq!(check(Role::Client, &[0x82, 126, 0, 126]).unwrap().payload_len, 126);
    assert_eq!(long(0xFFFF).unwrap_err(), E::LengthNotMinimal);
    assert_eq!(long(0x1_0000).unwrap().payload_len, 0x1_0000);
    assert_eq!(long(1 << 63).unwrap_err(), E::LengthTopBit);
    assert_eq!(long(u64::MAX).unwrap_err(), E::LengthTopBit);
    assert_eq!(long(u64::MAX >> 1).unwrap().payload_len, u64::MAX >> 1);
}

#[test]
fn frame_headers_without_a_mask_are_the_same_by_each_encoder() {
    for len in [0, 1, 125, 126, 127, 255, 256, 0xFFFF, 0x1_0000] {
        for (opcode, fin) in [(OpCode::Text, true), (OpCode::Binary, false)] {
            let header = EncodedFrameHeader::new(opcode, fin, None, len as u64);
            let short = EncodedFrameHeader::short(opcode, fin, len);
            let medium = EncodedFrameHeader::medium(opcode, fin, len);
            assert_eq!((short.is_some(), medium.is_some()), (len < 126, len <= 0xFFFF), "{len}");
            match (short, medium) {
                (Some(short), _) => assert_eq!(short, header.as_bytes(), "{len}"),
                (None, Some(medium)) => assert_eq!(medium, header.as_bytes(), "{len}"),
                (None, None) => {}
            }
        }
    }
}
