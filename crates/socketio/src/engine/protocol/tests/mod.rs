//! Scripts on the rules of a session.

mod interleavings;

use std::time::Duration;

use bytes::Bytes;
use fullduplex::Message;

use super::*;
use crate::engine::config::EngineConfig;
use crate::engine::packet::Packet;
use crate::engine::payload::Payload;

fn protocol(transport: TransportKind) -> (Protocol, Instant) {
    let now = Instant::now();
    (Protocol::new(Arc::default(), transport, now), now)
}

fn send(protocol: &mut Protocol, text: &str) {
    assert_eq!(protocol.send(&Outgoing::text(text), None), Some(Pushed::Queued));
}

#[test]
fn poll_waits_until_there_is_something() {
    let (mut session, _) = protocol(TransportKind::Polling);
    session.begin_poll().unwrap();
    assert_eq!(session.take_payload(), None);
    send(&mut session, "a");
    send(&mut session, "b");
    assert_eq!(session.take_payload().unwrap(), "4a\u{1e}4b");
    send(&mut session, "c");
    assert_eq!(session.take_payload(), None, "no poll waits");
    session.begin_poll().unwrap();
    assert_eq!(session.take_payload().unwrap(), "4c");
}

#[test]
fn poll_beside_another_ends_the_session() {
    let (mut session, _) = protocol(TransportKind::Polling);
    session.begin_poll().unwrap();
    assert_eq!(session.begin_poll(), Err(PollingError::Overlap));
    assert_eq!(session.take_payload().unwrap(), "1");
    assert_eq!(session.end_reason(), Some(EndReason::TransportError));
    assert_eq!(session.begin_poll(), Err(PollingError::Ended));
}

#[test]
fn post_beside_another_ends_the_session() {
    let (mut session, now) = protocol(TransportKind::Polling);
    session.begin_post().unwrap();
    session.receive_payload("4a".into(), now).unwrap();
    session.end_post();
    session.begin_post().unwrap();
    assert_eq!(session.begin_post(), Err(PollingError::Overlap));
    assert_eq!(session.end_reason(), Some(EndReason::TransportError));
    assert_eq!(session.receive(), Some("a".into()), "what was received before is not lost");
}

#[test]
fn payload_that_is_malformed_ends_the_session_and_delivers_nothing() {
    for (content, reason) in [
        ("abc", EndReason::ParseError),
        ("4a\u{1e}", EndReason::ParseError),
        ("4a\u{1e}b*", EndReason::ParseError),
        ("4a\u{1e}2", EndReason::TransportError),
        ("", EndReason::ParseError),
    ] {
        let (mut session, now) = protocol(TransportKind::Polling);
        session.begin_post().unwrap();
        let received = session.receive_payload(content.into(), now);
        assert_eq!(received, Err(PollingError::Malformed), "{content}");
        assert_eq!(session.end_reason(), Some(reason), "{content}");
        assert_eq!(session.receive(), None, "{content}");
    }
}

#[test]
fn close_packet_of_the_client_ends_the_session_with_a_noop() {
    let (mut session, now) = protocol(TransportKind::Polling);
    session.begin_poll().unwrap();
    session.begin_post().unwrap();
    session.receive_payload("4a\u{1e}1\u{1e}4b".into(), now).unwrap();
    assert_eq!(session.take_payload().unwrap(), "6");
    assert_eq!(session.end_reason(), Some(EndReason::TransportClose));
    assert_eq!(session.receive(), Some("a".into()));
    assert_eq!(session.receive(), None);
}

#[test]
fn close_sends_what_is_queued_first() {
    let (mut session, now) = protocol(TransportKind::Polling);
    send(&mut session, "a");
    session.close(EndReason::ForcedClose, now);
    assert_eq!(session.send(&Outgoing::text("b"), None), None);
    session.begin_poll().unwrap();
    assert_eq!(session.take_payload().unwrap(), "4a");
    assert_eq!(session.end_reason(), None);
    session.begin_poll().unwrap();
    assert_eq!(session.take_payload().unwrap(), "1", "in a response of its own");
    assert_eq!(session.end_reason(), Some(EndReason::ForcedClose));

    let (mut session, now) = protocol(TransportKind::WebSocket);
    send(&mut session, "a");
    session.close(EndReason::ForcedClose, now);
    session.finish_close();
    assert_eq!(session.end_reason(), None);
    session.pop_frame();
    session.finish_close();
    assert_eq!(session.end_reason(), Some(EndReason::ForcedClose));
}

#[test]
fn close_of_a_session_whose_client_is_gone_ends_in_time() {
    let (mut session, now) = protocol(TransportKind::Polling);
    session.close(EndReason::ForcedClose, now);
    let deadline = session.deadline().unwrap();
    assert_eq!(deadline, now + Duration::from_secs(30));
    session.tick(deadline);
    assert_eq!(session.end_reason(), Some(EndReason::ForcedClose));
    assert_eq!(session.deadline(), None);
}

#[test]
fn ping_goes_before_messages_and_its_pong_is_awaited() {
    let (mut session, now) = protocol(TransportKind::Polling);
    send(&mut session, "a");
    let due = now + Duration::from_secs(25);
    session.tick(due);
    session.begin_poll().unwrap();
    assert_eq!(session.take_payload().unwrap(), "2\u{1e}4a");
    session.begin_post().unwrap();
    session.receive_payload("3".into(), due).unwrap();
    session.end_post();
    session.tick(due + Duration::from_secs(25));
    session.tick(due + Duration::from_secs(45));
    assert_eq!(session.end_reason(), Some(EndReason::PingTimeout));
}

#[test]
fn pong_is_not_late_while_the_application_does_not_receive() {
    let config = EngineConfig::default().max_received_bytes(1);
    let now = Instant::now();
    let mut session = Protocol::new(Arc::new(config.into()), TransportKind::WebSocket, now);
    session.receive_message(Message::text("4a"), now);
    assert!(session.is_inbox_full());
    let second = Duration::from_secs(1);
    session.tick(now + 25 * second);
    session.tick(now + 45 * second);
    assert_eq!(session.end_reason(), None);
    assert_eq!(session.receive(), Some("a".into()));
    session.tick(now + 65 * second);
    assert_eq!(session.end_reason(), Some(EndReason::PingTimeout));
}

#[test]
fn websocket_message_beyond_max_payload_ends_the_session() {
    let config = EngineConfig::default().max_payload(5);
    let now = Instant::now();
    let mut session = Protocol::new(Arc::new(config.into()), TransportKind::WebSocket, now);
    session.receive_message(Message::text("4abcd"), now);
    assert_eq!(session.end_reason(), None);
    session.receive_message(Message::text("4abcde"), now);
    assert_eq!(session.end_reason(), Some(EndReason::TransportError));
}

#[test]
fn upgrade_answers_every_poll_until_it_is_complete() {
    let (mut session, now) = protocol(TransportKind::Polling);
    session.begin_poll().unwrap();
    assert!(session.begin_probe(now));
    assert_eq!(session.take_payload(), None, "nothing has shown that the WebSocket works");
    assert_eq!(session.receive_probe(Message::text("2probe")), ProbeStep::Answer);
    for _ in 0..3 {
        assert_eq!(session.take_payload().unwrap(), "6");
        session.begin_poll().unwrap();
    }
    send(&mut session, "a");
    assert_eq!(session.take_payload().unwrap(), "6", "messages wait for the end of the upgrade");
    assert!(session.front_frame().is_none());
    assert_eq!(session.receive_probe(Message::text("5")), ProbeStep::Upgraded);
    assert!(matches!(session.front_frame(), Some(Frame::Message(_))));
    assert_eq!(session.begin_poll(), Err(PollingError::OtherTransport));
    assert_eq!(session.begin_post(), Err(PollingError::OtherTransport));
    assert!(!session.begin_probe(now));
}

#[test]
fn upgrade_that_fails_leaves_polling_whole() {
    for wrong in ["5", "2", "4a", "x", "2prob"] {
        let (mut session, now) = protocol(TransportKind::Polling);
        session.begin_poll().unwrap();
        assert!(session.begin_probe(now));
        assert!(!session.begin_probe(now), "one at a time");
        assert_eq!(session.receive_probe(Message::text(wrong)), ProbeStep::Close, "{wrong}");
        assert!(!session.is_probing());
        send(&mut session, "a");
        assert_eq!(session.take_payload().unwrap(), "4a");
        assert!(session.begin_probe(now), "another may be tried");
        session.tick(session.deadline().unwrap());
        assert!(!session.is_probing(), "it has a deadline");
        assert_eq!(session.end_reason(), None);
    }
}

#[test]
fn upgrade_that_ends_after_the_probe_lets_polling_go_on() {
    for is_closing in [false, true] {
        let (mut session, now) = protocol(TransportKind::Polling);
        assert!(session.begin_probe(now));
        assert_eq!(session.receive_probe(Message::text("2probe")), ProbeStep::Answer);
        send(&mut session, "a");
        if is_closing {
            session.close(EndReason::ForcedClose, now);
        }
        session.begin_poll().unwrap();
        assert_eq!(session.take_payload().unwrap(), "6");
        assert_eq!(session.end_reason(), None);
        session.begin_poll().unwrap();
        session.probe_ended();
        assert_eq!(session.take_payload().unwrap(), "4a", "{is_closing}");
    }
}

#[test]
fn upgrade_completes_before_a_session_closes() {
    let (mut session, now) = protocol(TransportKind::Polling);
    assert!(session.begin_probe(now));
    assert_eq!(session.receive_probe(Message::text("2probe")), ProbeStep::Answer);
    send(&mut session, "a");
    session.close(EndReason::ForcedClose, now);
    assert_eq!(session.receive_probe(Message::text("5")), ProbeStep::Upgraded);
    session.finish_close();
    assert_eq!(session.end_reason(), None);
    assert!(matches!(session.front_frame(), Some(Frame::Message(_))));
    session.pop_frame();
    session.finish_close();
    assert_eq!(session.end_reason(), Some(EndReason::ForcedClose));
}

#[test]
fn upgrade_holds_a_ping_without_ending_the_session() {
    let second = Duration::from_secs(1);
    let config = EngineConfig::default().ping_timeout(second).upgrade_timeout(10 * second);
    let start = Instant::now();
    let mut session = Protocol::new(Arc::new(config.into()), TransportKind::Polling, start);
    session.tick(start + 25 * second);
    assert!(session.begin_probe(start + 25 * second));
    assert_eq!(session.receive_probe(Message::text("2probe")), ProbeStep::Answer);
    session.begin_poll().unwrap();
    assert_eq!(session.take_payload().unwrap(), "6");
    session.tick(start + 27 * second);
    assert_eq!(session.end_reason(), None);
    assert_eq!(session.receive_probe(Message::text("5")), ProbeStep::Upgraded);
    assert!(matches!(session.front_frame(), Some(Frame::Ping)));
    session.pop_frame();
    session.tick(start + 29 * second);
    assert_eq!(session.end_reason(), Some(EndReason::PingTimeout));
}
