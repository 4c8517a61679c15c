//! The closing handshake in all orders, as scripts (RFC 6455 §5.5.1, §7).

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use fullduplex_proto::bytes::{Buf, Bytes};
use fullduplex_proto::{
    CloseCause, CloseCode, CloseFrame, Compression, Config, Event, Initiator, MessageKind,
    ProtocolError, ReadyState, Role, SendError, Session, TransportAction,
};
use fullduplex_testkit::pair::{End, EndEvent, Pair};

const NOW: Duration = Duration::ZERO;

#[allow(clippy::unnecessary_wraps)] // as the calls want it
fn frame(code: u16, reason: &str) -> Option<CloseFrame> {
    Some(CloseFrame::new(CloseCode::new(code), reason).unwrap())
}

fn pair() -> Pair {
    Pair::new(Config::default())
}

#[test]
fn close_by_the_client() {
    let mut p = pair();
    assert!(p.client.session().close(frame(1000, "bye"), NOW));
    assert_eq!(p.client.session().state(), ReadyState::Closing);
    assert_eq!(p.client.session().transport(), TransportAction::Use);
    p.settle();
    assert_eq!(p.server.take_events(), [EndEvent::Close(frame(1000, "bye"))]);
    assert_eq!(p.client.take_events(), [EndEvent::Close(frame(1000, "bye"))]);
    // §7.1.1: the server ends the transport, the client waits for that.
    assert_eq!(p.server.session().transport(), TransportAction::Finish);
    assert_eq!(p.client.session().transport(), TransportAction::AwaitEnd);
    p.cut();
    for (end, initiator) in [(&mut p.client, Initiator::Local), (&mut p.server, Initiator::Peer)] {
        assert_eq!(end.session().state(), ReadyState::Closed);
        let info = end.session().close_info().unwrap();
        assert!(info.is_clean());
        assert_eq!((info.initiator, info.cause), (initiator, CloseCause::Handshake));
        assert_eq!((info.code(), info.reason()), (CloseCode::NORMAL, "bye"));
    }
}

#[test]
fn close_by_the_server_without_a_code() {
    let mut p = pair();
    p.server.session().close(None, NOW);
    p.settle();
    assert_eq!(p.client.take_events(), [EndEvent::Close(None)]);
    assert_eq!(p.server.session().transport(), TransportAction::Finish);
    let info = p.client.session().close_info().unwrap();
    // §7.1.5: 1005 when the Close frame has no code.
    assert_eq!((info.code(), info.initiator), (CloseCode::NO_STATUS, Initiator::Peer));
}

#[test]
fn close_by_both_at_once() {
    let mut p = pair();
    p.client.session().close(frame(1000, ""), NOW);
    p.server.session().close(frame(1001, ""), NOW);
    let (from_client, from_server) = (p.client.transmit(usize::MAX), p.server.transmit(usize::MAX));
    p.client.receive(&from_server, NOW);
    p.server.receive(&from_client, NOW);
    // Neither answers: its own Close is the answer.
    assert!(!p.client.session().wants_write() && !p.server.session().wants_write());
    for end in [&mut p.client, &mut p.server] {
        let info = end.session().close_info().unwrap();
        assert!(info.is_clean());
        assert_eq!(info.initiator, Initiator::Local);
    }
    assert_eq!(p.client.session().close_info().unwrap().code(), CloseCode::GOING_AWAY);
}

#[test]
fn close_without_an_answer_times_out() {
    let mut p = pair();
    p.client.session().close(frame(1000, ""), NOW);
    p.client.transmit(usize::MAX);
    p.advance(Duration::from_millis(9_999));
    assert_eq!(p.client.session().state(), ReadyState::Closing);
    p.advance(Duration::from_millis(1));
    assert_eq!(p.client.session().state(), ReadyState::Closed);
    assert_eq!(p.client.session().transport(), TransportAction::Drop);
    let info = p.client.session().close_info().unwrap();
    assert_eq!((info.cause, info.is_clean()), (CloseCause::CloseTimeout, false));
    assert_eq!(info.code(), CloseCode::ABNORMAL);
}

#[test]
fn close_lets_data_before_the_answer_arrive() {
    let mut p = pair();
    p.client.session().close(frame(1000, ""), NOW);
    p.server.session().send(MessageKind::Text, Bytes::from("last words")).unwrap();
    // The server's data leaves before it has read the Close.
    p.to_client();
    p.settle();
    assert_eq!(
        p.client.take_events(),
        [
            EndEvent::Message(MessageKind::Text, "last words".into()),
            EndEvent::Close(frame(1000, ""))
        ]
    );
}

#[test]
fn close_is_the_last_frame_sent() {
    let mut p = pair();
    p.client.session().close(frame(1000, ""), NOW);
    let session = p.client.session();
    assert_eq!(session.send(MessageKind::Text, Bytes::new()).unwrap_err().0, SendError::Closing);
    assert_eq!(
        session.send_fragment(MessageKind::Text, b"", true, Compression::Auto),
        Err(SendError::Closing)
    );
    assert_eq!(session.ping(b""), Err(SendError::Closing));
    assert_eq!(session.pong(b""), Err(SendError::Closing));
    assert!(!session.close(frame(1001, ""), NOW), "a second Close is ignored");
    assert_eq!(p.client.transmit(usize::MAX).len(), 8, "one Close frame");
    assert!(!p.client.session().wants_write());
}

#[test]
fn close_that_breaks_a_rule_is_not_sent() {
    // §5.5: at most 125 bytes. §7.4.1: 1005, 1006 and 1015 are never on the wire.
    let sent = |code, reason: &str| {
        let altered = CloseFrame { code: CloseCode::new(code), reason: reason.into() };
        let mut p = pair();
        p.client.session().close(Some(altered), NOW);
        p.settle();
        let sent = p.client.session().close_info().unwrap().sent.clone();
        assert_eq!(p.server.take_events(), [EndEvent::Close(sent.clone())]);
        sent
    };
    for code in [0, 999, 1005, 1006, 1015, 2000, 5000] {
        assert_eq!(sent(code, "why"), None);
    }
    assert_eq!(sent(1000, &"é".repeat(100)), frame(1000, &"é".repeat(61)));
}

#[test]
fn close_by_the_peer_ends_reading() {
    let mut server = End::new(Role::Server, Config::default());
    let mut bytes = Vec::from(*b"\x88\x80\0\0\0\0");
    bytes.extend(b"\x81\x81\0\0\0\0a");
    bytes.extend(b"garbage that is no frame");
    server.receive(&bytes, NOW);
    assert_eq!(server.take_events(), [EndEvent::Close(None)]);
    assert_eq!(server.transmit(usize::MAX), b"\x88\x00");
}

#[test]
fn close_leaves_pings_before_the_peers_close_answered() {
    // §5.5.2: a Pong is owed until a Close was received.
    let mut p = pair();
    p.client.session().close(frame(1000, ""), NOW);
    p.client.transmit(usize::MAX);
    p.client.receive(b"\x89\x02hi", NOW);
    assert_eq!(p.client.transmit(usize::MAX).len(), 8);
    // ... and not any more then.
    p.server.receive(b"\x89\x80\0\0\0\0\x88\x80\0\0\0\0", NOW);
    assert_eq!(p.server.transmit(usize::MAX), b"\x88\x00");
}

#[test]
fn close_is_unclean_where_the_transport_just_ends() {
    let mut p = pair();
    // Inside a frame.
    p.client.receive(b"\x82\x05abc", NOW);
    p.cut();
    assert_eq!(p.client.session().state(), ReadyState::Closed);
    let info = p.client.session().close_info().unwrap();
    assert_eq!((info.cause, info.initiator), (CloseCause::TransportEnd, Initiator::Peer));
    assert_eq!((info.code(), info.is_clean()), (CloseCode::ABNORMAL, false));
    assert_eq!(p.client.session().poll_timeout(), None);
}

#[test]
fn close_has_been_sent_when_it_has_left() {
    let mut p = pair();
    p.server.session().send(MessageKind::Binary, Bytes::from(vec![7; 100_000])).unwrap();
    p.server.receive(b"\x88\x82\0\0\0\0\x03\xe8", NOW);
    let close_sent = |p: &mut Pair| p.server.session().close_info().unwrap().close_sent;
    assert!(!close_sent(&mut p));
    let all = p.server.session().buffered();
    p.server.transmit(all - 1);
    assert!(!close_sent(&mut p));
    p.server.transmit(1);
    assert!(close_sent(&mut p));
}

#[test]
fn half_close_by_the_peer_leaves_our_direction_open() {
    for close in [&b"\x88\x82\0\0\0\0\x03\xe8"[..], b""] {
        let mut p = pair();
        p.server.session().send(MessageKind::Binary, Bytes::from(vec![7; 100_000])).unwrap();
        p.server.receive(close, NOW);
        let session = p.server.session();
        session.handle_read_end(NOW);
        // What was queued leaves, and then the transport is done with in both roles.
        assert_eq!(
            (session.state(), session.transport()),
            (ReadyState::Closing, TransportAction::Finish)
        );
        assert!(session.send(MessageKind::Text, Bytes::new()).is_err());
        assert!(p.server.transmit(usize::MAX).len() > 100_000);
        let session = p.server.session();
        session.handle_end(CloseCause::TransportEnd, NOW);
        let info = session.close_info().unwrap();
        assert_eq!(info.is_clean(), !close.is_empty());
        let cause = if close.is_empty() { CloseCause::TransportEnd } else { CloseCause::Handshake };
        assert_eq!(info.cause, cause);
    }
}

#[test]
fn close_of_a_peer_that_leaves_at_once_is_the_cause() {
    for queued in [0, 100_000] {
        let mut p = pair();
        if queued > 0 {
            p.server.session().send(MessageKind::Binary, Bytes::from(vec![7; queued])).unwrap();
        }
        p.server.receive(b"\x88\x82\0\0\0\0\x03\xe9", NOW);
        p.server.session().handle_end(CloseCause::TransportError, NOW);
        let info = p.server.session().close_info().unwrap();
        assert_eq!((info.cause, info.is_clean()), (CloseCause::Handshake, false));
        assert_eq!(info.code(), CloseCode::GOING_AWAY);
    }
}

#[test]
fn close_on_a_stream_ends_the_clients_direction_too() {
    let mut p = pair();
    p.client.session().set_multiplexed();
    p.client.session().close(frame(1000, ""), NOW);
    p.settle();
    assert_eq!(p.client.session().transport(), TransportAction::Finish);
}

/// The frame of a server with this close code.
fn close_bytes(code: u16) -> Vec<u8> {
    [&b"\x88\x02"[..], &code.to_be_bytes()].concat()
}

#[test]
fn close_codes_from_the_wire() {
    // §7.4.
    for code in [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 3999, 4000, 4999] {
        let mut client = End::new(Role::Client, Config::default());
        client.receive(&close_bytes(code), NOW);
        assert_eq!(client.take_events(), [EndEvent::Close(frame(code, ""))]);
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        let mut client = End::new(Role::Client, Config::default());
        client.receive(&close_bytes(code), NOW);
        let error = ProtocolError::CloseCode(CloseCode::new(code));
        assert_eq!(client.take_events(), [EndEvent::Error(error)]);
        assert_eq!(client.session().transport(), TransportAction::Drain);
    }
}

/// Bytes that fail a client, and the code that it answers with (§7.4.1).
const FAILURES: [(&[u8], u16); 14] = [
    (b"\xC1\x00", 1002),
    (b"\x83\x00", 1002),
    (b"\x8B\x00", 1002),
    (b"\x09\x00", 1002),
    (b"\x89\x7E\x00\x7E", 1002),
    (b"\x81\x80\0\0\0\0", 1002),
    (b"\x81\x7E\x00\x01a", 1002),
    (b"\x82\x7F\x80\0\0\0\0\0\0\0", 1002),
    (b"\x80\x00", 1002),
    (b"\x01\x01a\x81\x01b", 1002),
    (b"\x81\x01\xFF", 1007),
    (b"\x88\x01\x03", 1002),
    (b"\x88\x03\x03\xE8\xFF", 1007),
    (b"\x82\x7F\x3F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 1009),
];

#[test]
fn close_code_names_the_broken_rule() {
    for (bytes, code) in FAILURES {
        let mut client = End::new(Role::Client, Config::default());
        client.receive(bytes, NOW);
        // EndEvent once; what follows is not looked at (§7.1.7).
        client.receive(b"\x81\x01a\xFF\xFF", NOW);
        let events = client.take_events();
        let [.., EndEvent::Error(error)] = &events[..] else { panic!("{bytes:x?}: {events:?}") };
        assert_eq!(error.close_code().get(), code, "{bytes:x?}: {error}");
        assert!(error.to_string().contains("RFC 6455 §") || error.is_limit(), "{error}");
        let info = client.session().close_info().unwrap();
        assert_eq!(
            (info.initiator, info.cause),
            (Initiator::Library, CloseCause::Protocol(*error))
        );
        assert_eq!(client.session().transport(), TransportAction::Drain);
        assert!(client.session().send(MessageKind::Text, Bytes::new()).is_err());
        // One Close frame, with the code and in words why.
        let mut server = End::new(Role::Server, Config::default());
        let sent = client.transmit(usize::MAX);
        server.receive(&sent, NOW);
        let [EndEvent::Close(Some(close))] = &server.take_events()[..] else { panic!("no Close") };
        assert_eq!((close.code.get(), &close.reason), (code, &error.to_string()));
        // The peer never ends the transport: that is bounded too.
        client.session().handle_timeout(Duration::from_secs(10));
        assert_eq!(client.session().transport(), TransportAction::Drop);
    }
}

#[test]
fn close_cause_is_an_error_during_the_closing() {
    let mut p = pair();
    p.client.session().close(frame(1000, ""), NOW);
    p.client.receive(b"\x83\x00", NOW);
    let info = p.client.session().close_info().unwrap();
    assert_eq!(info.cause, CloseCause::Protocol(ProtocolError::ReservedOpcode(3)));
    assert_eq!(info.initiator, Initiator::Local);
    assert_eq!(p.client.transmit(usize::MAX).len(), 8, "the Close that was queued, and no other");
}

fn session() -> Session {
    let mut session = Session::server(&Config::default());
    session.open(NOW);
    session
}

#[test]
fn close_after_a_failure_answers_nothing_more() {
    // §7.1.7: not even the peer's Close. A receiver on another task may still tell of it.
    let mut s = session();
    s.fail(ProtocolError::InvalidUtf8, NOW);
    let close = s.outgoing().copy_to_bytes(2);
    assert_eq!(close[0], 0x88);
    s.handle_event(&Event::Ping(b"x"), NOW).unwrap();
    s.handle_event(&Event::Close(frame(1000, "")), NOW).unwrap();
    let mut rest = s.outgoing();
    assert_eq!(rest.remaining(), usize::from(close[1]), "the Close is the last frame");
    rest.advance(usize::from(close[1]));
    assert!(!s.wants_write());
    let info = s.close_info().unwrap();
    assert_eq!((info.received.clone(), info.is_clean()), (None, false));
    assert_eq!(s.transport(), TransportAction::Drain);
}

#[test]
fn close_that_is_clean_can_not_be_failed() {
    let mut s = session();
    s.handle_event(&Event::Close(frame(1000, "")), NOW).unwrap();
    s.fail(ProtocolError::InvalidUtf8, NOW);
    assert_eq!(s.close_info().unwrap().cause, CloseCause::Handshake);
    assert_eq!(s.transport(), TransportAction::Finish);
}

#[test]
fn idle_timeout_closes_with_1001() {
    const S: Duration = Duration::from_secs(1);
    let mut p = Pair::new(Config::default());
    let idle = Config::default().idle_timeout(60 * S);
    p.server = End::new(Role::Server, idle);
    // A message each way, and the keepalive's pings and pongs.
    for (role, at) in [(Role::Client, 40), (Role::Server, 80)] {
        while p.now < at * S {
            p.advance(10 * S);
            p.settle();
        }
        let end = if role == Role::Client { &mut p.client } else { &mut p.server };
        end.session().send(MessageKind::Text, Bytes::from("still here")).unwrap();
        p.settle();
    }
    while p.now < 130 * S {
        p.advance(10 * S);
        p.settle();
        assert_eq!(p.server.session().state(), ReadyState::Open);
        assert!(p.server.session().round_trip().is_some(), "pinged and answered");
    }
    // The last look before the last message was at 75 s.
    p.advance(20 * S);
    assert_eq!(p.server.session().state(), ReadyState::Closing);
    assert!(p.server.session().send(MessageKind::Text, Bytes::new()).is_err());
    p.settle();
    p.cut();
    let info = p.server.session().close_info().unwrap();
    assert_eq!((info.cause, info.initiator), (CloseCause::IdleTimeout, Initiator::Library));
    assert!(info.is_clean());
    assert!(info.to_string().contains("idle_timeout"), "{info}");
    let info = p.client.session().close_info().unwrap();
    assert_eq!((info.code(), info.cause), (CloseCode::GOING_AWAY, CloseCause::Handshake));
    assert!(info.reason().contains("idle_timeout"));
}

#[test]
fn idle_timeout_ends_a_connection_whose_peer_is_gone() {
    const S: Duration = Duration::from_secs(1);
    let idle = Config::default().idle_timeout(8 * S);
    let mut p = Pair::new(idle);
    p.advance(8 * S);
    // Nothing is carried any more.
    p.advance(10 * S);
    for end in [&mut p.client, &mut p.server] {
        assert_eq!(end.session().state(), ReadyState::Closed);
        assert_eq!(end.session().close_info().unwrap().cause, CloseCause::IdleTimeout);
    }
}
