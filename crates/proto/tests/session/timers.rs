//! Keepalive and idle timeout as the session drives them.

use std::time::Duration;

use fullduplex_proto::bytes::Buf;
use fullduplex_proto::{
    CloseCause, Compression, Config, Event, FrameBatch, KeepaliveConfig, Message, MessageKind,
    PreparedMessage, ReadyState, Role, Session,
};
use fullduplex_testkit::pair::{CountingMasks, End, Pair};

use crate::{NOW, S, from_client};

#[test]
fn keepalive_awaits_its_pong_from_the_ping_on() {
    let mut p = Pair::new(Config::default());
    p.advance(19 * S);
    assert!(!p.client.session().awaits_pong());
    p.advance(S);
    assert!(p.client.session().awaits_pong());
    assert_eq!(p.client.session().round_trip(), None);
    p.settle();
    assert!(!p.client.session().awaits_pong());
    assert_eq!(p.client.session().round_trip(), Some(Duration::ZERO));
}

#[test]
fn keepalive_does_not_time_a_pong_that_was_read_late() {
    let mut p = Pair::new(Config::default());
    p.advance(20 * S);
    p.client.session().discard_round_trip();
    p.settle();
    assert_eq!(p.client.session().round_trip(), None);
    assert!(p.server.session().round_trip().is_some());
}

/// The transport takes all that waits.
fn write_all(session: &mut Session) {
    let mut out = session.outgoing();
    out.advance(out.remaining());
}

/// Lets a server live for a minute with this from its peer every five seconds; returns whether
/// it gave the peer up.
fn is_given_up(bytes: &[u8]) -> bool {
    let mut server = End::new(Role::Server, Config::default());
    for at in 1..=12 {
        server.receive(bytes, at * 5 * S);
        server.transmit(usize::MAX);
        while server.session().poll_timeout().is_some_and(|due| due <= at * 5 * S) {
            if server.session().handle_timeout(at * 5 * S) {
                assert!(at >= 8, "40 s at the earliest");
                assert_eq!(
                    server.session().close_info().unwrap().cause,
                    CloseCause::KeepaliveTimeout
                );
                return true;
            }
            server.transmit(usize::MAX);
        }
    }
    false
}

/// Pings show that the peer's WebSocket library works, and not that an application reads there.
#[test]
fn keepalive_takes_anything_but_pings_as_a_sign_of_life() {
    assert!(is_given_up(b""));
    assert!(is_given_up(&from_client(0x89, b"x")));
    assert!(!is_given_up(&from_client(0x8A, b"x")));
    assert!(!is_given_up(&from_client(0x82, b"x")));
    assert!(!is_given_up(&from_client(0x82, b"")));
}

/// Where the receiver lives on another task, it says how many bytes have come, and passes pings
/// on. Those of the pings themselves are no sign of life, with the header that the peer writes.
#[test]
fn keepalive_takes_bytes_other_than_pings_as_a_sign_of_life() {
    for (role, ping_len) in [(Role::Server, 6 + 3), (Role::Client, 2 + 3)] {
        for (others, given_up) in [(0, true), (1, false)] {
            let mut session = match role {
                Role::Server => Session::server(&Config::default()),
                Role::Client => {
                    Session::client(Box::new(CountingMasks::default()), &Config::default())
                }
            };
            session.open(NOW);
            let (mut total, mut ended) = (0, false);
            for at in 1..60 {
                total += ping_len + others;
                session.handle_event(&Event::Ping(b"abc"), at * S).unwrap();
                session.record_received_total(total);
                write_all(&mut session);
                ended |= session.handle_timeout(at * S);
            }
            assert_eq!(ended, given_up, "{role:?}, {others} bytes besides");
        }
    }
}

#[test]
fn keepalive_gives_up_only_peers_it_listens_to() {
    for listening in [true, false] {
        let mut session = Session::server(&Config::default());
        session.open(NOW);
        session.set_listening(listening);
        let mut ended = false;
        for at in 1..100 {
            ended |= session.handle_timeout(at * S);
            write_all(&mut session);
        }
        assert_eq!(ended, listening);
    }
}

/// Every way to send a message.
const WAYS: [fn(&mut Session); 7] = [
    |s| s.send(MessageKind::Text, "x".into()).unwrap(),
    |s| s.send_message(Message::text("x"), Compression::Auto).unwrap(),
    |s| s.send_reserved(Message::text("x"), Compression::Auto).unwrap(),
    |s| assert!(s.send_copy(MessageKind::Text, b"x", Compression::Auto).unwrap()),
    |s| s.send_prepared(&PreparedMessage::new("x")).unwrap(),
    |s| s.send_fragment(MessageKind::Text, b"x", true, Compression::Auto).unwrap(),
    |s| {
        let mut batch = FrameBatch::default();
        let range = batch.push(&Message::text("x")).unwrap();
        s.send_batch(&batch, range).unwrap();
    },
];

/// Whether a session is open after 20 s of an idle timeout as long, if this is done at 12 s.
fn outlives_its_timeout(act: impl FnOnce(&mut Session)) -> bool {
    let keepalive = KeepaliveConfig::default().interval(None);
    let config = Config::default().idle_timeout(20 * S).keepalive(keepalive);
    let mut session = Session::server(&config);
    session.open(NOW);
    let mut act = Some(act);
    while let Some(due) = session.poll_timeout().filter(|due| *due <= 20 * S) {
        if due > 12 * S
            && let Some(act) = act.take()
        {
            act(&mut session);
        }
        assert!(!session.handle_timeout(due));
    }
    session.state() == ReadyState::Open
}

#[test]
fn idle_timeout_is_put_off_by_every_way_to_send_a_message() {
    assert!(!outlives_its_timeout(|_| {}));
    for (i, way) in WAYS.into_iter().enumerate() {
        assert!(outlives_its_timeout(way), "way {i}");
    }
    // And by what is received, whoever says so.
    assert!(outlives_its_timeout(Session::record_message));
}

#[test]
fn idle_timeout_is_not_put_off_by_what_is_no_message() {
    assert!(!outlives_its_timeout(|s| s.ping(b"x").unwrap()));
    assert!(!outlives_its_timeout(|s| s.handle_event(&Event::Ping(b"x"), 12 * S).unwrap()));
    assert!(!outlives_its_timeout(|s| s.handle_event(&Event::Pong(b"x"), 12 * S).unwrap()));
    assert!(!outlives_its_timeout(Session::record_received));
    // A long message is not copied, and so was not sent.
    let long = vec![7; 5_000];
    assert!(!outlives_its_timeout(|s| {
        assert!(!s.send_copy(MessageKind::Binary, &long, Compression::Auto).unwrap());
    }));
}
