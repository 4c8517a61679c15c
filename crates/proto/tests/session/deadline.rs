//! The close deadline: how long a closing may make no progress (`Config::close_timeout`).

use std::time::Duration;

use fullduplex_proto::bytes::Bytes;
use fullduplex_proto::{CloseCause, Config, MessageKind, ReadyState, Role};
use fullduplex_testkit::pair::End;

use crate::{NOW, S, frame, from_client};

/// A server that closes while this much waits for its peer.
fn closing(waits: usize) -> End {
    let mut server = End::new(Role::Server, Config::default());
    if waits > 0 {
        server.session().send(MessageKind::Binary, Bytes::from(vec![7; waits])).unwrap();
    }
    server.session().close(frame(1000, ""), NOW);
    server
}

#[test]
fn close_deadline_is_put_off_by_a_kibibyte_in_each_timeout() {
    for (taken, given_up) in [(1024, false), (1023, true)] {
        let mut server = closing(60_000);
        for at in 1..5 {
            server.transmit(1024);
            assert!(!server.session().handle_timeout(at * 10 * S));
            assert_eq!(server.session().poll_timeout(), Some((at + 1) * 10 * S));
        }
        server.transmit(taken);
        assert_eq!(server.session().handle_timeout(50 * S), given_up, "{taken} bytes taken");
    }
}

#[test]
fn close_deadline_begins_when_all_has_left() {
    // The last bytes leave after little of the period is left, so the answer has another one.
    let mut server = closing(60_000);
    server.transmit(usize::MAX);
    assert!(!server.session().handle_timeout(10 * S));
    assert!(server.session().handle_timeout(20 * S));
    assert_eq!(server.session().close_info().unwrap().cause, CloseCause::CloseTimeout);
    // One byte is enough if it was the last.
    let mut server = closing(60_000);
    let all = server.session().buffered();
    server.transmit(all - 1);
    assert!(!server.session().handle_timeout(10 * S));
    server.transmit(1);
    assert!(!server.session().handle_timeout(20 * S));
    assert!(server.session().handle_timeout(30 * S));
    // Where nothing had to wait, the Close itself puts nothing off.
    let mut server = closing(0);
    server.transmit(usize::MAX);
    assert!(server.session().handle_timeout(10 * S));
}

#[test]
fn close_deadline_counts_nothing_taken_before_the_closing() {
    let mut server = End::new(Role::Server, Config::default());
    server.session().send(MessageKind::Binary, Bytes::from(vec![7; 60_000])).unwrap();
    server.transmit(30_000);
    server.session().close(None, NOW);
    assert!(server.session().handle_timeout(10 * S), "nothing was taken since");
}

#[test]
fn close_deadline_is_not_put_off_by_bytes_of_the_peer() {
    let mut server = closing(60_000);
    server.receive(&from_client(0x82, &[7; 125]), 9 * S);
    assert!(server.session().handle_timeout(10 * S));
    assert_eq!(server.session().state(), ReadyState::Closed);
}

#[test]
fn close_deadline_is_as_configured() {
    let config = Config::default().close_timeout(3 * S);
    let mut server = End::new(Role::Server, config);
    server.session().close(None, S);
    assert_eq!(server.session().poll_timeout(), Some(4 * S));
    assert!(!server.session().handle_timeout(Duration::from_micros(3_999_999)));
    assert!(server.session().handle_timeout(4 * S));
}

/// Once both Close frames have been seen, a slow end of the transport is no failure.
#[test]
fn close_deadline_after_a_clean_closing_leaves_its_cause() {
    let mut server = closing(0);
    server.transmit(usize::MAX);
    server.receive(&from_client(0x88, b"\x03\xE8"), S);
    assert!(server.session().handle_timeout(10 * S));
    let info = server.session().close_info().unwrap();
    assert_eq!((info.cause, info.is_clean()), (CloseCause::Handshake, true));
}
