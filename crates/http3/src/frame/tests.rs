use proptest::prelude::*;

use super::*;

/// A frame whose type and length are one byte each.
fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    assert!(kind < 64 && payload.len() < 64);
    [&[kind, u8::try_from(payload.len()).unwrap()], payload].concat()
}

/// Returns all events of a stream that arrives in these pieces, with DATA joined, and its end.
fn events(
    stream_kind: StreamKind,
    pieces: &[&[u8]],
) -> (Vec<FrameEvent>, Result<(), ReceiveError>) {
    let mut reader = FrameReader::new(stream_kind, &LocalSettings::default());
    let mut read = Vec::new();
    for piece in pieces {
        let mut input = Bytes::copy_from_slice(piece);
        loop {
            match (reader.read(&mut input), read.last_mut()) {
                (Ok(None), _) => break,
                (Ok(Some(FrameEvent::Data(data))), Some(FrameEvent::Data(before))) => {
                    *before = [&before[..], &data].concat().into();
                }
                (Ok(Some(event)), _) => {
                    // What follows it are trailers.
                    if matches!(event, FrameEvent::Headers(_)) && read.is_empty() {
                        reader.begin_content(false);
                    }
                    read.push(event);
                }
                (Err(error), _) => return (read, Err(error)),
            }
        }
        assert!(input.is_empty());
    }
    (read, reader.finish().map_err(Into::into))
}

fn violation_code(stream_kind: StreamKind, bytes: &[u8]) -> ErrorCode {
    let (_, end) = events(stream_kind, &[bytes]);
    let Err(ReceiveError::Protocol(violation)) = end else { panic!("{bytes:?}: {end:?}") };
    assert!(violation.is_connection_error);
    violation.code
}

#[test]
fn frames_are_read_at_every_split() {
    let message = [
        frame(0x21, b"grease"),
        frame(0x01, b"head"),
        frame(0x00, b"con"),
        frame(0x00, b""),
        vec![0x40, 0x00, 0x40, 0x04],
        b"tent".to_vec(),
        frame(0x2a, b""),
        frame(0x01, b"trailers"),
        frame(0x21, b""),
    ]
    .concat();
    let [head, trailers] = ["head", "trailers"].map(|section| FrameEvent::Headers(section.into()));
    let read = vec![head, FrameEvent::Data("content".into()), trailers];
    for cut in 0..=message.len() {
        let (a, b) = message.split_at(cut);
        assert_eq!(events(StreamKind::Response, &[a, b]), (read.clone(), Ok(())));
    }
    let bytes: Vec<_> = message.chunks(1).collect();
    assert_eq!(events(StreamKind::Request, &bytes), (read, Ok(())));
}

#[test]
fn frames_of_control_streams_are_read() {
    let stream =
        [frame(0x04, &[0x08, 1]), frame(0x07, &[0x40, 0x44]), frame(0x21, b"x"), frame(0x0d, &[9])];
    let read = vec![
        FrameEvent::Settings(Bytes::from_static(&[0x08, 1])),
        FrameEvent::GoAway(0x44),
        FrameEvent::MaxPushId(9),
    ];
    assert_eq!(events(StreamKind::ClientControl, &[&stream.concat()]), (read, Ok(())));
    let empty = vec![FrameEvent::Settings(Bytes::new())];
    assert_eq!(events(StreamKind::ServerControl, &[&[4, 0]]), (empty, Ok(())));
}

/// RFC 9114 §7.2.
#[test]
fn frames_in_the_wrong_place_have_their_code() {
    for stream_kind in [StreamKind::ServerControl, StreamKind::ClientControl] {
        for first in [0x00, 0x01, 0x03, 0x05, 0x07, 0x0d, 0x21] {
            assert_eq!(
                violation_code(stream_kind, &frame(first, &[0])),
                ErrorCode::MISSING_SETTINGS
            );
        }
        for second in [0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x08, 0x09] {
            let stream = [frame(0x04, &[]), frame(second, &[0])].concat();
            assert_eq!(
                violation_code(stream_kind, &stream),
                ErrorCode::FRAME_UNEXPECTED,
                "{second}"
            );
        }
        let cancel = [frame(0x04, &[]), frame(0x03, &[0])].concat();
        assert_eq!(violation_code(stream_kind, &cancel), ErrorCode::ID_ERROR);
        for wrong in [frame(0x07, &[]), frame(0x07, &[0, 0]), frame(0x07, &[0; 9])] {
            let stream = [frame(0x04, &[]), wrong].concat();
            assert_eq!(violation_code(stream_kind, &stream), ErrorCode::FRAME_ERROR);
        }
        assert_eq!(violation_code(stream_kind, &[0x04, 0x60, 0x00]), ErrorCode::EXCESSIVE_LOAD);
    }
    let stream = [frame(0x04, &[]), frame(0x0d, &[0])].concat();
    assert_eq!(violation_code(StreamKind::ServerControl, &stream), ErrorCode::FRAME_UNEXPECTED);
    for stream_kind in [StreamKind::Request, StreamKind::Response] {
        for kind in [0x02, 0x03, 0x04, 0x06, 0x07, 0x08, 0x09, 0x0d] {
            let stream = [frame(0x01, b"head"), frame(kind, &[0])].concat();
            assert_eq!(violation_code(stream_kind, &stream), ErrorCode::FRAME_UNEXPECTED, "{kind}");
        }
        assert_eq!(violation_code(stream_kind, &frame(0x00, b"data")), ErrorCode::FRAME_UNEXPECTED);
        for last in [0x00, 0x01] {
            let stream = [frame(0x01, b"head"), frame(0x01, b"trailers"), frame(last, b"more")];
            assert_eq!(violation_code(stream_kind, &stream.concat()), ErrorCode::FRAME_UNEXPECTED);
        }
        for cut in 1..6 {
            assert_eq!(
                violation_code(stream_kind, &frame(0x01, b"head")[..cut]),
                ErrorCode::FRAME_ERROR
            );
        }
    }
    assert_eq!(violation_code(StreamKind::Response, &frame(0x05, &[0])), ErrorCode::ID_ERROR);
    assert_eq!(
        violation_code(StreamKind::Request, &frame(0x05, &[0])),
        ErrorCode::FRAME_UNEXPECTED
    );
}

#[test]
fn frames_of_a_tunnel_have_no_trailers() {
    let mut reader = FrameReader::new(StreamKind::Response, &LocalSettings::default());
    reader.begin_content(true);
    let Err(ReceiveError::Protocol(violation)) = reader.read(&mut Bytes::from_static(&[0x01, 0]))
    else {
        panic!("accepted")
    };
    assert_eq!(violation.code, ErrorCode::FRAME_UNEXPECTED);
}

#[test]
fn frames_allocate_nothing_for_announced_lengths() {
    // HEADERS of 2^62-1 bytes are an error. DATA and unknown frames of that length are read.
    let huge = |kind| [&[kind], &[0xff; 8][..], b"abc"].concat();
    let limit = ReceiveError::Limit { setting: "max_field_section_size", max: 16 << 10 };
    assert_eq!(events(StreamKind::Request, &[&huge(1)]), (vec![], Err(limit)));
    let mut reader = FrameReader::new(StreamKind::Request, &LocalSettings::default());
    reader.begin_content(false);
    let data = reader.read(&mut huge(0).into());
    assert_eq!(data, Ok(Some(FrameEvent::Data("abc".into()))));
    assert_eq!(reader.data_remaining(), varint::MAX - 3);
    reader.skip_data(varint::MAX - 3);
    assert_eq!(reader.read(&mut huge(0x21).into()), Ok(None));
    assert!(reader.finish().is_err());
}

proptest! {
    #[test]
    fn frames_do_not_depend_on_the_cuts(
        bytes in prop::collection::vec(0..12_u8, 0..100),
        step in 1..7_usize,
    ) {
        for stream_kind in [
            StreamKind::Request,
            StreamKind::Response,
            StreamKind::ServerControl,
            StreamKind::ClientControl,
        ] {
            let pieces: Vec<_> = bytes.chunks(step).collect();
            prop_assert_eq!(events(stream_kind, &pieces), events(stream_kind, &[&bytes]));
        }
    }
}
