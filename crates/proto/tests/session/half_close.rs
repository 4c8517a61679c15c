//! An end that may go on sending after the peer's Close (§5.5.1: the answer may wait until the
//! current message is sent).

use fullduplex_proto::bytes::Bytes;
use fullduplex_proto::{
    CloseCause, CloseCode, Compression, Config, Initiator, MessageKind, ReadyState, Role,
    SendError, TransportAction,
};
use fullduplex_testkit::pair::{End, EndEvent, Pair};

use crate::{NOW, S, frame, from_client};

/// A server that has received a Close with this payload.
fn half_closed(payload: &[u8]) -> End {
    let mut server = End::new(Role::Server, Config::default());
    server.session().allow_half_close();
    server.receive(&from_client(0x88, payload), NOW);
    server
}

#[test]
fn half_close_leaves_this_end_open_until_it_closes() {
    let mut p = Pair::new(Config::default());
    p.server.session().allow_half_close();
    p.client.session().close(frame(1000, "done"), NOW);
    p.settle();
    assert_eq!(p.server.take_events(), [EndEvent::Close(frame(1000, "done"))]);
    let session = p.server.session();
    assert_eq!((session.state(), session.transport()), (ReadyState::Open, TransportAction::Use));
    let info = session.close_info().unwrap();
    assert_eq!((info.initiator, &info.sent), (Initiator::Peer, &None));
    assert!(info.close_received && !info.close_sent);
    // Whatever the message takes, also in pieces.
    session.send(MessageKind::Text, "the rest".into()).unwrap();
    session.send_fragment(MessageKind::Binary, b"of it", true, Compression::Auto).unwrap();
    assert!(session.close(frame(1000, "all sent"), NOW));
    assert_eq!(
        (session.state(), session.transport()),
        (ReadyState::Closing, TransportAction::Finish)
    );
    assert_eq!(session.send(MessageKind::Text, "more".into()).unwrap_err().0, SendError::Closing);
    p.settle();
    assert_eq!(
        p.client.take_events(),
        [
            EndEvent::Message(MessageKind::Text, "the rest".into()),
            EndEvent::Message(MessageKind::Binary, "of it".into()),
            EndEvent::Close(frame(1000, "all sent")),
        ]
    );
    for end in [&mut p.client, &mut p.server] {
        assert!(end.session().close_info().unwrap().is_clean());
    }
}

#[test]
fn half_close_is_for_a_close_that_says_all_was_sent() {
    // With 1000 or without a code, and not where the peer left or failed.
    for (payload, state) in [
        (&b"\x03\xE8"[..], ReadyState::Open),
        (b"", ReadyState::Open),
        (b"\x03\xE9", ReadyState::Closing),
        (b"\x03\xF3", ReadyState::Closing),
    ] {
        let mut server = half_closed(payload);
        assert_eq!(server.session().state(), state, "{payload:x?}");
        let answers = server.session().wants_write();
        assert_eq!(answers, state == ReadyState::Closing, "{payload:x?}");
    }
    // Nor where it was not allowed, or this end had closed first.
    let mut server = End::new(Role::Server, Config::default());
    server.receive(&from_client(0x88, b""), NOW);
    assert_eq!(server.transmit(usize::MAX), b"\x88\x00");
    let mut server = End::new(Role::Server, Config::default());
    server.session().allow_half_close();
    server.session().close(frame(1000, ""), NOW);
    server.receive(&from_client(0x88, b""), NOW);
    let session = server.session();
    assert_eq!(
        (session.state(), session.transport()),
        (ReadyState::Closing, TransportAction::Finish)
    );
}

#[test]
fn half_close_owes_no_pong() {
    // §5.5.2: a Pong is owed unless a Close was received.
    let mut server = End::new(Role::Server, Config::default());
    server.session().allow_half_close();
    server.receive(&[from_client(0x89, b"?"), from_client(0x88, b"")].concat(), NOW);
    assert!(!server.session().wants_write());
}

#[test]
fn half_close_in_which_nothing_flows_is_answered_with_1001() {
    let mut server = half_closed(b"");
    assert_eq!(server.session().poll_timeout(), Some(10 * S));
    assert!(!server.session().handle_timeout(10 * S), "it is closed, and not given up");
    assert_eq!(server.session().state(), ReadyState::Closing);
    let sent = server.session().close_info().unwrap().sent.clone().unwrap();
    assert_eq!(sent.code, CloseCode::GOING_AWAY);
    assert!(sent.reason.contains("close_timeout"), "{sent}");
    // The peer has as long again to take it.
    assert_eq!(server.session().poll_timeout(), Some(20 * S));
    assert!(server.session().handle_timeout(20 * S));
    assert_eq!(server.session().transport(), TransportAction::Drop);
    // The peer had said how it ends.
    let info = server.session().close_info().unwrap();
    assert_eq!((info.cause, info.is_clean()), (CloseCause::CloseTimeout, false));
}

#[test]
fn half_close_goes_on_while_either_end_sends() {
    let mut server = half_closed(b"");
    for at in 1..10 {
        // What follows a Close is not read, but shows that the peer is there.
        server.receive(b"x", (at * 10 - 1) * S);
        assert!(!server.session().handle_timeout(at * 10 * S));
        assert_eq!(server.session().state(), ReadyState::Open, "a byte of the peer");
    }
    for at in 10..20 {
        server.session().send(MessageKind::Text, "x".into()).unwrap();
        server.transmit(usize::MAX);
        assert!(!server.session().handle_timeout(at * 10 * S));
        assert_eq!(server.session().state(), ReadyState::Open, "a byte to the peer");
    }
    server.session().handle_timeout(200 * S);
    assert_eq!(server.session().state(), ReadyState::Closing);
}

#[test]
fn half_close_that_is_ended_does_not_wait_for_bytes_of_the_peer() {
    let mut server = half_closed(b"");
    server.session().end_half_close();
    server.receive(b"x", 9 * S);
    assert!(!server.session().handle_timeout(10 * S));
    assert_eq!(server.session().state(), ReadyState::Closing);
    let sent = server.transmit(usize::MAX);
    assert_eq!((sent[0], &sent[2..4]), (0x88, &b"\x03\xE9"[..]), "closed with 1001");
}

#[test]
fn half_close_keeps_the_transport_when_the_peer_ends_its_direction() {
    // On TCP and on streams the end of one direction is not that of the other.
    let mut server = half_closed(b"");
    server.session().handle_read_end(S);
    let session = server.session();
    assert!(session.read_ended());
    assert_eq!((session.state(), session.transport()), (ReadyState::Open, TransportAction::Use));
    session.send(MessageKind::Binary, Bytes::from(vec![7; 10])).unwrap();
    session.close(None, S);
    assert_eq!(session.transport(), TransportAction::Finish);
    server.transmit(usize::MAX);
    assert!(server.session().close_info().unwrap().is_clean());
    // The Close was the peer's last word, and not the end of the transport.
    assert_eq!(server.session().close_info().unwrap().cause, CloseCause::Handshake);
}
