//! What the session says of sending, and every way to send refused alike.

use fullduplex_proto::bytes::{Buf, Bytes};
use fullduplex_proto::mask::MaskSource;
use fullduplex_proto::{
    Compression, Config, DeflateConfig, FrameBatch, Message, MessageKind, PreparedMessage, Role,
    SendBuffer, SendConfig, SendError, Session,
};
use fullduplex_testkit::pair::{End, EndEvent, Pair};

use crate::{NOW, frame};

/// A server that holds at most this much, and one message.
fn server(high_water: usize) -> End {
    let send = SendConfig::default().high_water(high_water).low_water(0);
    End::new(Role::Server, Config::default().send(send))
}

#[test]
fn backpressure_room_is_what_high_water_leaves() {
    let mut server = server(100);
    let session = server.session();
    assert_eq!((session.high_water(), session.remaining_capacity()), (100, 100));
    session.send(MessageKind::Text, "hello".into()).unwrap();
    assert_eq!((session.remaining_capacity(), session.buffered()), (100 - 7, 7));
    session.send(MessageKind::Binary, Bytes::from(vec![7; 98])).unwrap();
    assert_eq!(session.remaining_capacity(), 0, "no more fits");
    server.transmit(usize::MAX);
    let session = server.session();
    assert_eq!(session.remaining_capacity(), 100);
    session.send_fragment(MessageKind::Text, b"a", false, Compression::Off).unwrap();
    assert_eq!(session.remaining_capacity(), 0, "a whole message can't begin inside another");
    session.send_fragment(MessageKind::Text, b"b", true, Compression::Off).unwrap();
    session.close(None, NOW);
    assert_eq!(session.remaining_capacity(), 0, "nothing follows a Close");
    assert_eq!(Session::server(&Config::default()).remaining_capacity(), 0);
}

/// What each way to send says of a session, one after the other.
fn refusals(session: &mut Session) -> Vec<Result<(), SendError>> {
    let text = || Message::text("x");
    let mut batch = FrameBatch::default();
    let range = batch.push(&text()).unwrap();
    vec![
        session.check_ready(),
        session.send(MessageKind::Text, "x".into()).map_err(|(error, _)| error),
        session.send_message(text(), Compression::Auto).map_err(|(error, _)| error),
        session.send_copy(MessageKind::Text, b"x", Compression::Auto).map(drop),
        session.send_prepared(&PreparedMessage::new("x")),
        session.send_batch(&batch, range),
        session.send_fragment(MessageKind::Text, b"x", true, Compression::Auto),
        session.flush_fragment(),
    ]
}

#[test]
fn backpressure_refuses_every_way_to_send_alike() {
    let mut server = server(10);
    server.session().send(MessageKind::Text, Bytes::from(vec![b'x'; 10])).unwrap();
    let before = server.session().buffered();
    assert!(refusals(server.session()).iter().all(|refusal| *refusal == Err(SendError::Full)));
    assert_eq!(server.session().buffered(), before, "nothing was taken");
    server.session().close(frame(1000, ""), NOW);
    let before = server.session().buffered();
    assert!(refusals(server.session()).iter().all(|refusal| *refusal == Err(SendError::Closing)));
    let refused = server.session().send_reserved(Message::text("x"), Compression::Auto);
    assert_eq!(refused, Err((SendError::Closing, Message::text("x"))));
    assert_eq!(server.session().buffered(), before);
}

#[test]
fn backpressure_returns_the_message_as_it_was() {
    let mut server = server(1);
    server.session().send(MessageKind::Text, "x".into()).unwrap();
    for message in [Message::text("text"), Message::binary("text")] {
        let refused = server.session().send_message(message.clone(), Compression::Auto);
        assert_eq!(refused, Err((SendError::Full, message.clone())));
        // But what was promised is taken.
        server.session().send_reserved(message, Compression::Auto).unwrap();
    }
    assert_eq!(server.transmit(usize::MAX), b"\x81\x01x\x81\x04text\x82\x04text");
    server.session().send_fragment(MessageKind::Text, b"a", false, Compression::Off).unwrap();
    let refused = server.session().send_reserved(Message::text("x"), Compression::Auto);
    assert_eq!(refused, Err((SendError::MessageUnderWay, Message::text("x"))));
}

#[test]
fn fragments_under_way_are_known() {
    let mut server = server(1 << 16);
    let session = server.session();
    assert!(!session.is_fragmenting());
    session.send_fragment(MessageKind::Text, b"a", false, Compression::Off).unwrap();
    assert!(session.is_fragmenting());
    session.send_fragment(MessageKind::Text, b"b", true, Compression::Off).unwrap();
    assert!(!session.is_fragmenting());
}

#[test]
fn fragments_that_are_small_gather_in_one_slice() {
    let mut server = server(1 << 16);
    let session = server.session();
    for _ in 0..100 {
        session.send_fragment(MessageKind::Text, b"hello", false, Compression::Off).unwrap();
    }
    assert_eq!(session.outgoing().slices().count(), 1);
    // A long one is apart, and so what follows it.
    session.send_fragment(MessageKind::Text, &[b'x'; 5_000], false, Compression::Off).unwrap();
    session.send_fragment(MessageKind::Text, b"", true, Compression::Off).unwrap();
    let lens: Vec<_> = session.outgoing().slices().map(<[u8]>::len).collect();
    assert_eq!(lens, [100 * 7 + 4, 5_000, 2]);
}

#[test]
fn deflate_is_reported_where_it_was_agreed_on() {
    let mut plain = Pair::new(Config::default());
    for end in [&mut plain.client, &mut plain.server] {
        assert!(!end.session().compresses());
        assert_eq!(end.session().prepared_window(), None);
        assert!(!end.session().would_compress(1 << 20, Compression::On));
    }
    let (client, server) = (DeflateConfig::balanced(), DeflateConfig::smallest_bytes());
    let mut pair = Pair::deflated(Config::default(), client, server);
    for (end, window, min_size) in [(&mut pair.client, 12, 64), (&mut pair.server, 12, 16)] {
        let session = end.session();
        assert!(session.compresses());
        assert_eq!(session.prepared_window(), Some((window, min_size)));
        assert!(session.would_compress(min_size, Compression::Auto));
        assert!(!session.would_compress(min_size - 1, Compression::Auto));
        assert!(session.would_compress(1, Compression::On));
        assert!(!session.would_compress(0, Compression::On));
        assert!(!session.would_compress(min_size, Compression::Off));
    }
}

#[test]
fn batch_frames_are_shared_only_by_a_session_that_could_make_them() {
    assert!(server(100).session().can_share_frames());
    assert!(!End::new(Role::Client, Config::default()).session().can_share_frames());
    let mut batch = FrameBatch::default();
    assert_eq!((batch.is_empty(), batch.len()), (true, 0));
    batch.push(&Message::text("")).unwrap();
    assert_eq!((batch.is_empty(), batch.len()), (false, 2));
}

#[test]
#[should_panic(expected = "its own frames")]
fn batch_frames_are_never_sent_unmasked_by_a_client() {
    // §5.1: a client MUST mask every frame.
    let mut batch = FrameBatch::default();
    let range = batch.push(&Message::text("x")).unwrap();
    let _ = End::new(Role::Client, Config::default()).session().send_batch(&batch, range);
}

#[test]
fn send_buffers_of_payloads_are_returned_when_they_have_left() {
    let mut server = server(1 << 16);
    let session = server.session();
    let first = Bytes::from(vec![1; 10_000]);
    let pointer = first.as_ptr();
    session.send(MessageKind::Binary, first).unwrap();
    session.send(MessageKind::Text, "short".into()).unwrap();
    let (mut spent, mut wire) = (Vec::new(), Vec::new());
    for _ in 0..10 {
        let mut out = session.outgoing();
        let step = out.chunk().len().min(3_000);
        wire.extend_from_slice(&out.chunk()[..step]);
        out.advance_with(step, |bytes| spent.push(bytes));
    }
    // Only this payload was referenced, and no other reference to it is left.
    let owned: Vec<_> = spent
        .into_iter()
        .filter(|b| b.is_empty() && b.is_unique())
        .filter_map(|b| b.try_into_mut().ok())
        .collect();
    assert!(owned.iter().any(|memory| memory.as_ptr() == pointer.wrapping_add(10_000)));
    assert_eq!(wire.len(), 4 + 10_000 + 2 + 5);
    assert_eq!(&wire[4 + 10_000..], b"\x81\x05short");
}

/// Masks, and one buffer for frames.
#[derive(Debug)]
struct MasksWithBuffer(Vec<u8>);

impl MaskSource for MasksWithBuffer {
    fn next_key(&mut self) -> [u8; 4] {
        [1, 2, 3, 4]
    }

    fn frame_buffer(&mut self, _len: usize) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

#[test]
fn frame_buffer_of_a_shared_payload_is_returned_when_it_has_left() {
    let config = Config::default().send(SendConfig::default().fragment_size(4_000));
    let mut buffer = Vec::with_capacity(20_000);
    // Content of a use before.
    buffer.extend([9; 100]);
    let memory = buffer.as_ptr() as usize;
    let mut session = Session::client(Box::new(MasksWithBuffer(buffer)), &config);
    session.open(NOW);
    let payload: Bytes = (0..=u8::MAX).cycle().take(10_000).collect();
    session.send(MessageKind::Text, "short".into()).unwrap();
    session.send(MessageKind::Binary, payload.clone()).unwrap();
    let (mut spent, mut wire) = (Vec::new(), Vec::new());
    while session.wants_write() {
        let mut out = session.outgoing();
        let step = out.chunk().len().min(3_000);
        wire.extend_from_slice(&out.chunk()[..step]);
        out.advance_with(step, |bytes| spent.push(bytes));
    }
    assert_eq!(spent.len(), 1, "once for three frames, and not for the short message");
    let owned: Vec<u8> = spent.remove(0).try_into_mut().unwrap().into();
    assert_eq!((owned.as_ptr() as usize, owned.capacity()), (memory, 20_000));
    let mut server = End::new(Role::Server, Config::default());
    server.receive(&wire, NOW);
    let short = EndEvent::Message(MessageKind::Text, "short".into());
    assert_eq!(server.take_events(), [short, EndEvent::Message(MessageKind::Binary, payload)]);
}

#[test]
fn frames_of_a_vectored_write_are_those_of_a_plain_one() {
    let fill = |end: &mut End| {
        end.session().send(MessageKind::Text, "short".into()).unwrap();
        end.session().send(MessageKind::Binary, Bytes::from(vec![7; 10_000])).unwrap();
        end.session().ping(b"first").unwrap();
        end.session().send(MessageKind::Text, "last".into()).unwrap();
    };
    let (mut plain, mut vectored) = (server(1 << 16), server(1 << 16));
    fill(&mut plain);
    fill(&mut vectored);
    let out = vectored.session().outgoing();
    let mut slots = [std::io::IoSlice::new(&[]); 16];
    let filled = out.chunks_vectored(&mut slots);
    assert_eq!(filled, out.slices().count());
    assert!(slots[..filled].iter().all(|slice| !slice.is_empty()));
    let joined: Vec<u8> = slots[..filled].iter().flat_map(|slice| slice.to_vec()).collect();
    assert_eq!(joined.len(), out.remaining());
    assert!(out.slices().flatten().eq(joined.iter()));
    // With fewer slots than there are slices, the first ones.
    let mut two = [std::io::IoSlice::new(&[]); 2];
    assert_eq!(out.chunks_vectored(&mut two), 2);
    assert!(joined.starts_with(&two.map(|slice| slice.to_vec()).concat()));
    assert!(plain.transmit(usize::MAX) == joined);
}

#[test]
#[should_panic(expected = "advanced past")]
fn frames_can_not_be_advanced_past_their_end() {
    let mut server = server(1 << 16);
    let session = server.session();
    session.send(MessageKind::Text, "x".into()).unwrap();
    session.outgoing().advance(4);
}

#[test]
fn send_buffers_know_the_memory_they_hold() {
    let mut server = server(1 << 20);
    server.session().lend_buffer(Box::new(SendBuffer::with_capacity(100)));
    for _ in 0..5 {
        server.session().send(MessageKind::Binary, Bytes::from(vec![7; 5_000])).unwrap();
    }
    server.transmit(usize::MAX);
    let held = server.session().take_buffer().unwrap().capacity();
    // Each long message took two places, of no less than a `Bytes` each.
    assert!(held >= 10 * size_of::<Bytes>(), "{held} bytes");
    assert!(held < 10_000, "the payloads have left: {held} bytes");
}

#[test]
fn mask_keys_come_from_the_caller() {
    let mut client = End::new(Role::Client, Config::default());
    let session = client.session();
    session.send(MessageKind::Text, "x".into()).unwrap();
    let wire = session.outgoing().chunk().to_vec();
    assert_eq!(wire[..6], [0x81, 0x81, 0x01, 0x01, 0x03, 0x01]);
    assert_eq!(wire[6], b'x' ^ 0x01);
}
