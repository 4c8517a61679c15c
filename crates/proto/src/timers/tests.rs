use alloc::vec;
use alloc::vec::Vec;

use super::*;

const S: Duration = Duration::from_secs(1);

fn timers() -> Timers {
    let mut t = Timers::new(KeepaliveConfig::default(), None, 10 * S);
    t.start(Duration::ZERO);
    t
}

/// Fires whatever is due up to a time, one look after the other; returns when Pings left and
/// when the peer was given up.
fn run(t: &mut Timers, until: Duration, stuck: bool) -> (Vec<u64>, Option<u64>) {
    let mut pings = Vec::new();
    while let Some(due) = t.next().filter(|due| *due <= until) {
        match t.handle_timeout(due, || stuck) {
            TimerEvent::Ping(_) => pings.push(due.as_secs()),
            TimerEvent::PeerSilent => return (pings, Some(due.as_secs())),
            fired => assert_eq!(fired, TimerEvent::Nothing),
        }
    }
    (pings, None)
}

#[test]
fn keepalive_gives_up_a_peer_that_takes_nothing_though_it_sends() {
    let mut t = timers();
    for at in 1..=20 {
        assert_eq!(run(&mut t, at * S, false), (vec![], None));
        t.record_received();
    }
    let (mut pings, mut given_up) = (Vec::new(), None);
    for at in 21..=60 {
        let (more, end) = run(&mut t, at * S, true);
        pings.extend(more);
        given_up = given_up.or(end);
        t.record_received();
    }
    assert_eq!((pings, given_up), (vec![30], Some(50)));
}

#[test]
fn keepalive_spares_a_peer_while_not_listening() {
    let mut t = timers();
    t.set_listening(false);
    assert_eq!(run(&mut t, 100 * S, false), (vec![20, 40, 60, 80, 100], None));
    // But if it takes nothing of what waits for it, it need not be heard.
    assert_eq!(run(&mut t, 200 * S, true), (vec![], Some(120)));
}

#[test]
fn keepalive_ends_a_connection_that_is_not_read_for_a_whole_ping() {
    let end = |t: &mut Timers, until: u64| {
        while let Some(due) = t.next().filter(|due| *due <= Duration::from_secs(until)) {
            if t.handle_timeout(due, || false) == TimerEvent::Unread {
                return Some(due.as_secs());
            }
        }
        None
    };
    let mut t = timers();
    t.set_listening(false);
    t.set_unread(true);
    assert_eq!(end(&mut t, 100), Some(40));
    // An application that reads now and then, however slowly, keeps its connection.
    let mut t = timers();
    t.set_listening(false);
    for at in (0..1000).step_by(20) {
        assert_eq!(end(&mut t, at), None, "{at}");
        t.set_unread(false);
        t.set_unread(true);
    }
    assert_eq!(end(&mut t, 2000), Some(1020));
}

#[test]
fn keepalive_gives_up_a_silent_peer_after_a_ping() {
    let mut t = timers();
    assert_eq!(run(&mut t, 100 * S, false), (vec![20], Some(40)));
    assert_eq!(t.next(), None);
}

/// With any last byte, and also where each look comes a little late.
#[test]
fn keepalive_pings_at_most_an_interval_after_the_last_byte() {
    for last in (0..60_000_u64).step_by(250) {
        let mut t = timers();
        // A byte each second, up to the last one.
        let (mut byte, mut pinged) = (0, None);
        while pinged.is_none_or(|pinged| pinged <= last) {
            let look = t.next().unwrap() + Duration::from_millis(1);
            let now = u64::try_from(look.as_millis()).unwrap();
            while byte <= last.min(now) {
                t.record_received();
                byte = if byte < last { last.min(byte + 1000) } else { byte + 1 };
            }
            if let TimerEvent::Ping(_) = t.handle_timeout(look, || false) {
                pinged = Some(now);
            }
        }
        let silence = pinged.unwrap().abs_diff(last);
        assert!((10_000..=20_002).contains(&silence), "{silence} ms after {last} ms");
    }
}

#[test]
fn keepalive_pings_an_idle_connection_once_an_interval() {
    let mut t = timers();
    let mut pings = Vec::new();
    for at in 0..=100 {
        let (more, end) = run(&mut t, at * S, false);
        assert_eq!(end, None);
        if !more.is_empty() {
            t.record_received();
        }
        pings.extend(more);
    }
    assert_eq!(pings, [20, 40, 60, 80, 100]);
}

#[test]
fn keepalive_is_not_settled_by_pings_of_the_peer_alone() {
    for (others, given_up) in [(0, Some(40)), (1, None)] {
        let (mut t, mut total) = (timers(), 0);
        for at in 1..60_u64 {
            total += 6 + others;
            t.record_ping(6);
            t.record_received_total(total);
            if let (_, Some(end)) = run(&mut t, Duration::from_secs(at), false) {
                assert_eq!(Some(end), given_up);
                break;
            }
            assert!(given_up.is_none_or(|end| at < end), "{others} at {at} s");
        }
    }
}

#[test]
fn keepalive_counts_bytes_around_the_end_of_its_counter() {
    let mut t = timers();
    let mut total = u64::from(u32::MAX) - 10;
    t.record_received_total(total);
    t.received = false;
    for (bytes, ping, heard) in [(6, true, false), (6, true, false), (1, false, true)] {
        total += bytes;
        if ping {
            t.record_ping(6);
        }
        t.record_received_total(total);
        assert_eq!(core::mem::take(&mut t.received), heard);
    }
    // The look comes in the middle of a Ping: then it is known twice, and takes nothing off.
    t.record_received_total(total + 3);
    assert!(core::mem::take(&mut t.received));
    t.record_ping(6);
    t.record_received_total(total + 6);
    assert!(!t.received);
}

#[test]
fn keepalive_round_trip_is_that_of_the_exact_payload() {
    let mut t = timers();
    assert_eq!(run(&mut t, 19 * S, false), (vec![], None));
    let TimerEvent::Ping(payload) = t.handle_timeout(20 * S, || false) else { panic!("no ping") };
    t.handle_pong(b"other", 20 * S + S / 2);
    assert_eq!(t.round_trip(), None);
    t.handle_pong(&payload, 20 * S + S / 10);
    assert_eq!(t.round_trip(), Some(S / 10));
    assert!(!t.awaits_pong());
}

#[test]
fn keepalive_does_not_time_a_pong_that_waited() {
    let mut t = timers();
    assert_eq!(run(&mut t, 19 * S, false), (vec![], None));
    let TimerEvent::Ping(payload) = t.handle_timeout(20 * S, || false) else { panic!("no ping") };
    t.discard_round_trip();
    t.handle_pong(&payload, 25 * S);
    assert_eq!((t.round_trip(), t.awaits_pong()), (None, false));
}

#[test]
fn keepalive_ends_at_the_close_deadline() {
    let mut t = timers();
    t.start_closing(5 * S);
    assert_eq!(t.next(), Some(15 * S));
    assert_eq!(t.handle_timeout(15 * S, || false), TimerEvent::CloseDeadline);
    assert_eq!(t.next(), None);
}

#[test]
fn keepalive_interval_may_be_for_ever() {
    let config = KeepaliveConfig::default().interval(Duration::MAX).timeout(Duration::MAX);
    let mut t = Timers::new(config, Some(Duration::MAX), 10 * S);
    t.start(S);
    assert_eq!(t.handle_timeout(Duration::from_secs(1 << 40), || false), TimerEvent::Nothing);
}

/// When it counts as idle, with a message at each of these times.
fn idle_at(timeout: Duration, messages: &[Duration]) -> Duration {
    let keepalive = KeepaliveConfig::default().interval(None);
    let mut t = Timers::new(keepalive, Some(timeout), 10 * S);
    t.start(Duration::ZERO);
    let mut messages = messages.iter();
    let mut next = messages.next();
    loop {
        let now = t.next().unwrap();
        while next.is_some_and(|at| *at < now) {
            t.record_message();
            next = messages.next();
        }
        if t.handle_timeout(now, || false) == TimerEvent::Idle {
            assert_eq!(t.next(), None);
            return now;
        }
    }
}

#[test]
fn idle_timeout_is_met_within_a_quarter() {
    assert_eq!(idle_at(20 * S, &[]), 20 * S);
    assert_eq!(idle_at(20 * S, &[S]), 25 * S);
    assert_eq!(idle_at(20 * S, &[4 * S, 19 * S]), 40 * S);
    assert_eq!(idle_at(Duration::ZERO, &[]), Duration::from_micros(4));
}

/// Of a Ping that was partly known at a look, the whole is taken off, however long it is.
#[test]
fn keepalive_takes_the_longest_ping_twice_for_none() {
    // Header, key and payload (§5.2, §5.5).
    let longest = 2 + 4 + 125;
    for known in 0..=longest {
        let mut t = timers();
        t.record_received_total(known);
        t.take_received();
        t.record_ping(131);
        t.record_received_total(longest);
        assert!(!t.take_received(), "{known} bytes were known");
        t.record_received_total(longest + 1);
        assert!(t.take_received());
    }
    // More cannot be a Ping: the counter went nearly around.
    let mut t = timers();
    t.record_received_total(0);
    t.take_received();
    t.record_received_total((1 << 32) - longest - 1);
    assert!(t.take_received());
}

#[test]
fn keepalive_round_trip_of_hours_is_cut_and_not_lost() {
    let mut t = timers();
    run(&mut t, 19 * S, false);
    let TimerEvent::Ping(payload) = t.handle_timeout(20 * S, || false) else { panic!("no ping") };
    t.handle_pong(&payload, 20 * S + 2 * 3600 * S);
    assert_eq!(t.round_trip().map(|trip| trip.as_secs()), Some(u64::from(u32::MAX) / 1_000_000));
}

#[test]
fn keepalive_intervals_are_kept_in_four_bytes() {
    let kept = |time| Duration::from_micros(Interval::new(time).micros());
    for exact in [0, 1, 20_000_000, (1 << 31) - 1, 1 << 31 << 10, 86_400_000_000] {
        let exact = Duration::from_micros(exact);
        assert!(
            kept(exact) >= exact && kept(exact).abs_diff(exact) < Duration::from_secs(1),
            "{exact:?}"
        );
    }
    assert_eq!(kept(Duration::from_micros(2_147_483_647)), Duration::from_micros(2_147_483_647));
    assert_eq!(kept(Duration::from_micros(2_147_483_648)), Duration::from_secs(2148));
    assert_eq!(Interval::new(Duration::MAX).micros(), NEVER);
    assert_eq!(size_of::<Interval>(), 4);
    assert_eq!(size_of::<Timers>(), 48);
}
