//! How often a peer may send (`Limits`): messages, payload bytes and control frames a second.

use fullduplex_proto::{
    CloseCause, CloseCode, Config, DataChunk, Event, Limits, MessageKind, ProtocolError, Role,
    Session, TransportAction,
};
use fullduplex_testkit::pair::{End, EndEvent};

use crate::{NOW, S, from_client};

fn server(max_message_rate: Option<u32>, max_byte_rate: Option<u32>) -> End {
    let limits = Limits::default().max_message_rate(max_message_rate).max_byte_rate(max_byte_rate);
    End::new(Role::Server, Config::default().limits(limits))
}

fn is_failed(end: &mut End) -> bool {
    end.take_events().iter().any(|event| matches!(event, EndEvent::Error(_)))
}

#[test]
fn limits_on_message_rate_allow_a_burst_and_then_the_rate() {
    let mut server = server(Some(2), None);
    for _ in 0..20 {
        server.receive(&from_client(0x81, b"x"), NOW);
    }
    assert!(!is_failed(&mut server));
    // A message more for each half second.
    server.receive(&from_client(0x81, b"x"), S / 2);
    assert!(!is_failed(&mut server));
    server.receive(&from_client(0x81, b"x"), S);
    assert!(!is_failed(&mut server));
    server.receive(&from_client(0x81, b"x"), S + S / 4);
    let error = ProtocolError::TooManyMessages { limit: 2 };
    assert_eq!(server.take_events(), [EndEvent::Error(error)]);
    assert_eq!(error.close_code(), CloseCode::POLICY_VIOLATION);
    assert_eq!(server.session().close_info().unwrap().cause, CloseCause::Protocol(error));
    assert_eq!(server.session().transport(), TransportAction::Drain);
}

#[test]
fn limits_on_message_rate_count_whole_messages_however_they_are_cut() {
    let mut server = server(Some(1), None);
    for _ in 0..10 {
        server.receive(&from_client(0x01, b"x"), NOW);
        for _ in 0..50 {
            server.receive(&from_client(0x00, b"x"), NOW);
        }
        server.receive(&from_client(0x80, b"x"), NOW);
    }
    assert!(!is_failed(&mut server));
    // The eleventh is refused when it is whole.
    server.receive(&from_client(0x01, b"x"), NOW);
    assert!(!is_failed(&mut server));
    server.receive(&from_client(0x80, b"x"), NOW);
    assert!(is_failed(&mut server));
}

#[test]
fn limits_on_byte_rate_count_the_payload_of_each_piece() {
    // Whole messages, fragments, and pieces of a frame.
    for pieces in [
        vec![from_client(0x82, &[7; 50]), from_client(0x82, &[7; 50])],
        vec![from_client(0x02, &[7; 60]), from_client(0x00, &[7; 40])],
        vec![from_client(0x82, &[7; 120])[..6 + 99].to_vec(), vec![7]],
    ] {
        let mut server = server(None, Some(10));
        for piece in &pieces {
            server.receive(piece, NOW);
        }
        assert!(!is_failed(&mut server), "100 bytes in a burst");
    }
    let mut server = server(None, Some(10));
    server.receive(&from_client(0x82, &[7; 100]), NOW);
    server.receive(&from_client(0x02, &[7; 10]), S);
    assert!(!is_failed(&mut server), "10 more a second");
    server.receive(&from_client(0x00, &[7; 11]), 2 * S);
    let error = ProtocolError::TooManyBytes { limit: 10 };
    assert_eq!(server.take_events(), [EndEvent::Error(error)]);
    assert_eq!(error.close_code(), CloseCode::POLICY_VIOLATION);
}

#[test]
fn limits_on_rates_hold_together() {
    for (payload, error) in [
        (&[7; 1][..], ProtocolError::TooManyMessages { limit: 1 }),
        (&[7; 60], ProtocolError::TooManyBytes { limit: 10 }),
    ] {
        let mut server = server(Some(1), Some(10));
        for _ in 0..11 {
            server.receive(&from_client(0x82, payload), NOW);
        }
        assert_eq!(server.take_events().last(), Some(&EndEvent::Error(error)));
    }
}

/// The receiver may live on another task, which then counts messages where it reads them.
#[test]
fn limits_on_rates_are_counted_where_events_are_not_passed_on() {
    let mut session = Session::server(&Config::default());
    session.open(NOW);
    assert!(!session.has_rate_limits(), "nothing is to be counted");
    session.count_message(true, usize::MAX, NOW).unwrap();
    let byte_rate = Limits::default().max_byte_rate(1);
    let message_rate = Limits::default().max_message_rate(1);
    for (limits, error) in [
        (byte_rate, ProtocolError::TooManyBytes { limit: 1 }),
        (message_rate, ProtocolError::TooManyMessages { limit: 1 }),
    ] {
        let config = Config::default().limits(limits);
        let mut session = Session::server(&config);
        session.open(NOW);
        assert!(session.has_rate_limits());
        for _ in 0..10 {
            session.count_message(true, 1, NOW).unwrap();
        }
        assert_eq!(session.count_message(true, 1, NOW), Err(error));
        // As an event would be.
        let mut session = Session::server(&config);
        session.open(NOW);
        let data = DataChunk::new(MessageKind::Binary, b"x", true, true);
        for _ in 0..10 {
            session.handle_event(&Event::Data(data), NOW).unwrap();
        }
        assert_eq!(session.handle_event(&Event::Data(data), NOW), Err(error));
    }
}

#[test]
fn limits_on_control_frames_are_those_of_the_setting() {
    let limits = Limits::default().max_control_rate(1);
    for first in [0x89, 0x8A] {
        let mut server = End::new(Role::Server, Config::default().limits(limits));
        server.receive(&from_client(first, b"x").repeat(10), NOW);
        assert!(!is_failed(&mut server));
        server.receive(&from_client(first, b"x"), NOW);
        let error = EndEvent::Error(ProtocolError::TooManyControlFrames { limit: 1 });
        assert_eq!(server.take_events().last(), Some(&error));
    }
}
