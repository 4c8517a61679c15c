//! Any bytes as streams of HTTP/3: the same frames however they are split, and field sections that
//! keep their meaning when they are encoded again.
//!
//! Byte 0 selects the kind of stream, byte 1 how it is split.

#![no_main]

use bytes::Bytes;
use fullduplex_http3::frame::{FrameEvent, FrameReader, StreamKind};
use fullduplex_http3::{LocalSettings, PeerSettings, ReceiveError, message, qpack};
use fullduplex_testkit::Rng;
use libfuzzer_sys::fuzz_target;

/// Returns all events, the content in one piece, and how the stream ended.
fn events<'a>(
    place: StreamKind,
    limits: &LocalSettings,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Vec<FrameEvent>, Vec<u8>, Result<(), ReceiveError>) {
    let mut reader = FrameReader::new(place, limits);
    let (mut events, mut content) = (Vec::new(), Vec::new());
    for piece in pieces {
        let mut input = Bytes::copy_from_slice(piece);
        loop {
            match reader.read(&mut input) {
                Ok(None) => break,
                Ok(Some(FrameEvent::Data(data))) => content.extend_from_slice(&data),
                Ok(Some(event)) => {
                    if let FrameEvent::Headers(section) = &event {
                        reader.begin_content(section.len() % 2 == 1);
                    }
                    events.push(event);
                }
                Err(error) => return (events, content, Err(error)),
            }
        }
        assert!(input.is_empty());
    }
    (events, content, reader.finish().map_err(Into::into))
}

fn section(bytes: &[u8], limits: &LocalSettings) {
    let Ok(fields) = qpack::decode(bytes, limits) else { return };
    assert!(fields.len() <= limits.max_fields);
    assert!(qpack::section_size(&fields) <= limits.max_field_section_size);
    let mut again = Vec::new();
    qpack::encode(&fields, &mut again);
    assert_eq!(qpack::decode(&again, limits).expect("our own"), fields);
    if let Ok(request) = message::read_request(&fields) {
        let written = message::request_fields(&request).expect("it was one");
        let read = message::read_request(&written).expect("it is one");
        assert_eq!((read.method(), read.uri()), (request.method(), request.uri()));
        let mut headers = request.headers().clone();
        headers.remove("host");
        assert_eq!(read.headers(), &headers);
    }
    if let Ok(response) = message::read_response(&fields) {
        let written = message::response_fields(&response).expect("it was one");
        let read = message::read_response(&written).expect("it is one");
        assert_eq!((read.status(), read.headers()), (response.status(), response.headers()));
    }
}

fuzz_target!(|input: &[u8]| {
    let [kind, cut, bytes @ ..] = input else { return };
    let limits = LocalSettings::default().max_field_section_size(1000).max_fields(20);
    let place = match kind % 5 {
        0 => StreamKind::Request,
        1 => StreamKind::Response,
        2 => StreamKind::ServerControl,
        3 => StreamKind::ClientControl,
        _ => return section(bytes, &limits),
    };
    let whole = events(place, &limits, std::iter::once(bytes));
    let mut rng = Rng::new(u64::from(*cut));
    let mut rest = bytes;
    let pieces = std::iter::from_fn(|| {
        let (piece, tail) = rest.split_at((1 + rng.below(9)).min(rest.len()));
        rest = tail;
        (!piece.is_empty()).then_some(piece)
    });
    assert_eq!(events(place, &limits, pieces), whole);
    for event in &whole.0 {
        match event {
            FrameEvent::Headers(bytes) => section(bytes, &limits),
            FrameEvent::Settings(payload) => drop(PeerSettings::decode(payload)),
            _ => {}
        }
    }
});
