//! The end of the transport, and that nothing changes afterwards.

use fullduplex_proto::bytes::Bytes;
use fullduplex_proto::{
    CloseCause, CloseCode, Config, Event, Initiator, MessageKind, ProtocolError, ReadyState, Role,
    SendError, Session, TransportAction,
};
use fullduplex_testkit::pair::End;

use crate::{NOW, S, frame, from_client};

fn server() -> End {
    End::new(Role::Server, Config::default())
}

#[test]
fn close_info_of_a_dropped_connection_names_this_end() {
    let mut server = server();
    server.session().handle_end(CloseCause::Dropped, NOW);
    let info = server.session().close_info().unwrap();
    assert_eq!((info.initiator, info.cause), (Initiator::Local, CloseCause::Dropped));
    assert_eq!(info.code(), CloseCode::ABNORMAL);
}

#[test]
fn close_info_after_the_peers_close_depends_on_who_ends_the_transport() {
    // The peer has said how it ended; this end has not, if it drops the connection.
    for (end, cause) in [
        (CloseCause::TransportEnd, CloseCause::Handshake),
        (CloseCause::TransportError, CloseCause::Handshake),
        (CloseCause::Dropped, CloseCause::Dropped),
    ] {
        let mut server = server();
        server.receive(&from_client(0x88, b"\x03\xE8"), NOW);
        server.session().handle_end(end, NOW);
        let info = server.session().close_info().unwrap();
        assert_eq!((info.cause, info.is_clean()), (cause, false), "{end:?}");
    }
    // After a clean closing it is all the same who it is.
    let mut server = server();
    server.receive(&from_client(0x88, b"\x03\xE8"), NOW);
    server.transmit(usize::MAX);
    server.session().handle_end(CloseCause::Dropped, NOW);
    assert_eq!(server.session().close_info().unwrap().cause, CloseCause::Handshake);
}

#[test]
fn close_info_of_a_closing_that_was_cut_short_names_the_cut() {
    for cause in [CloseCause::TransportEnd, CloseCause::TransportError, CloseCause::Dropped] {
        let mut server = server();
        server.session().close(frame(1001, "deploy"), NOW);
        server.transmit(usize::MAX);
        server.session().handle_end(cause, NOW);
        let info = server.session().close_info().unwrap();
        assert_eq!((info.initiator, info.cause), (Initiator::Local, cause));
        assert!(info.close_sent && !info.close_received);
        assert_eq!(info.sent, frame(1001, "deploy"));
    }
}

#[test]
fn close_info_of_a_failure_outlasts_the_transport() {
    let mut server = server();
    server.receive(b"\x83\x80", NOW);
    server.session().handle_read_end(NOW);
    server.session().handle_end(CloseCause::TransportError, NOW);
    let info = server.session().close_info().unwrap();
    assert_eq!(info.cause, CloseCause::Protocol(ProtocolError::ReservedOpcode(3)));
}

#[test]
fn session_that_is_closed_stays_as_it_is() {
    let mut server = server();
    server.session().send(MessageKind::Text, "late".into()).unwrap();
    server.session().handle_end(CloseCause::TransportEnd, NOW);
    let info = server.session().close_info().cloned();
    let session = server.session();
    assert!(!session.close(frame(1000, ""), S));
    session.handle_end(CloseCause::Dropped, S);
    session.handle_read_end(S);
    session.fail(ProtocolError::InvalidUtf8, S);
    session.handle_event(&Event::Ping(b"x"), S).unwrap();
    session.handle_event(&Event::Close(None), S).unwrap();
    assert!(!session.handle_timeout(1000 * S));
    session.open(S);
    assert_eq!(session.close_info().cloned(), info);
    assert_eq!((session.state(), session.transport()), (ReadyState::Closed, TransportAction::Drop));
    assert_eq!((session.poll_timeout(), session.read_ended()), (None, false));
    assert_eq!(session.check_ready(), Err(SendError::Closing));
}

#[test]
fn session_before_the_handshake_sends_nothing_and_may_end() {
    let mut session = Session::server(&Config::default());
    assert_eq!((session.state(), session.poll_timeout()), (ReadyState::Connecting, None));
    assert_eq!(session.check_ready(), Err(SendError::Closing));
    assert_eq!(session.send(MessageKind::Text, "x".into()).unwrap_err().0, SendError::Closing);
    assert_eq!(session.ping(b""), Err(SendError::Closing));
    assert!(!session.close(None, NOW) && !session.wants_write());
    session.handle_end(CloseCause::TransportError, NOW);
    assert_eq!(session.state(), ReadyState::Closed);
    // A handshake that comes too late does not open it.
    session.open(NOW);
    assert_eq!(session.state(), ReadyState::Closed);
}

#[test]
fn close_returns_what_did_not_leave() {
    // As `bufferedAmount` of the WebSocket API, which does not go back to zero either.
    let mut server = server();
    server.session().send(MessageKind::Binary, Bytes::from(vec![7; 5_000])).unwrap();
    server.transmit(1_000);
    let waits = server.session().buffered();
    assert!(server.session().take_unsent().is_none(), "it may still leave");
    server.session().handle_end(CloseCause::TransportError, NOW);
    assert!(server.session().take_unsent().is_some());
    assert!(server.session().take_unsent().is_none());
    assert_eq!(server.session().buffered(), waits);
}

#[test]
fn close_of_the_peers_direction_is_known_and_owes_no_pong() {
    let mut server = server();
    assert!(!server.session().read_ended());
    server.receive(&from_client(0x89, b"?"), NOW);
    assert!(server.session().wants_write());
    server.session().handle_read_end(NOW);
    assert!(server.session().read_ended());
    assert!(!server.session().wants_write(), "the peer does not read it any more");
    let info = server.session().close_info().unwrap();
    assert_eq!((info.initiator, info.cause), (Initiator::Peer, CloseCause::TransportEnd));
    // Twice is as good as once.
    server.session().handle_read_end(5 * S);
    assert_eq!(server.session().poll_timeout(), Some(10 * S));
}

#[test]
fn session_knows_its_role() {
    for role in [Role::Client, Role::Server] {
        assert_eq!(End::new(role, Config::default()).session().role(), role);
    }
}

#[test]
fn close_info_keeps_the_first_failure() {
    let mut server = server();
    let session = server.session();
    session.fail(ProtocolError::InvalidUtf8, NOW);
    session.fail(ProtocolError::InvalidDeflate, NOW);
    session.handle_event(&Event::Close(frame(1000, "")), NOW).unwrap();
    session.fail(ProtocolError::InvalidDeflate, NOW);
    let info = session.close_info().unwrap();
    assert_eq!(info.cause, CloseCause::Protocol(ProtocolError::InvalidUtf8));
    assert_eq!(session.transport(), TransportAction::Drain);
}
