use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;

fn peer(ip: &str) -> PeerAddr {
    PeerAddr::Inet(SocketAddr::new(ip.parse().unwrap(), 1))
}

fn slots(total: u32, per_address: u32) -> ConnectionLimiter {
    ConnectionLimiter::new(
        ConnectionLimits::default().max_connections(total).max_per_address(per_address),
    )
}

#[test]
fn limits_slot_is_16_bytes() {
    assert_eq!((size_of::<Permit>(), size_of::<Option<Permit>>()), (16, 16));
    assert_eq!(size_of::<(LimitKey, u32)>(), 16);
}

#[test]
fn limits_count_an_ipv6_network_as_one_address() {
    for (a, b, together) in [
        ("192.0.2.1", "192.0.2.2", false),
        ("192.0.2.1", "::ffff:192.0.2.1", true),
        ("2001:db8::1", "2001:db8::ffff:1:2:3", true),
        ("2001:db8::1", "2001:db8:0:1::1", false),
        // Addresses that nothing comes from, unless a proxy forwards them.
        ("192.0.2.1", "ff00::c000:201:0:0:0:0", false),
        ("ff00::c000:201:0:0:0:0", "ffff:ffff:ffff:ffff::", true),
    ] {
        let slots = slots(9, 1);
        let _first = slots.try_acquire(&peer(a)).unwrap();
        assert_eq!(slots.try_acquire(&peer(b)).is_err(), together, "{a} and {b}");
    }
    let slots = slots(3, 1);
    let unix: Vec<_> = (0..3).map(|_| slots.try_acquire(&PeerAddr::Unix).unwrap()).collect();
    assert_eq!(slots.try_acquire(&PeerAddr::Unix).unwrap_err(), LimitReached::Total(3));
    assert_eq!(slots.addresses(), 0);
    drop(unix);
    assert_eq!(slots.counts().in_use, 0);
}

#[test]
fn limits_count_rejections_and_keep_nothing_of_them() {
    let slots = slots(2, 1);
    let a = slots.try_acquire(&peer("10.0.0.1")).unwrap();
    assert_eq!(slots.try_acquire(&peer("10.0.0.1")).unwrap_err(), LimitReached::PerAddress(1));
    let _b = slots.try_acquire(&peer("10.0.0.2")).unwrap();
    assert_eq!(slots.try_acquire(&peer("10.0.0.3")).unwrap_err(), LimitReached::Total(2));
    assert_eq!(slots.addresses(), 2);
    let expected = ConnectionCounts { in_use: 2, rejected_total: 1, rejected_per_address: 1 };
    assert_eq!(slots.counts(), expected);
    drop(a);
    assert_eq!((slots.counts().in_use, slots.addresses()), (1, 1));
}

#[test]
fn limits_slot_moves_to_the_client() {
    let slots = slots(9, 1);
    let mut first = slots.try_acquire(&PeerAddr::Unix).unwrap();
    first.reassign(&peer("10.0.0.1")).unwrap();
    first.reassign(&peer("10.0.0.1")).unwrap();
    let mut second = slots.try_acquire(&peer("10.0.0.2")).unwrap();
    assert_eq!(second.reassign(&peer("10.0.0.1")), Err(LimitReached::PerAddress(1)));
    // It is still where it was.
    assert!(slots.try_acquire(&peer("10.0.0.2")).is_err());
    drop((first, second));
    assert_eq!((slots.counts().in_use, slots.addresses()), (0, 0));
}

#[test]
fn limits_that_are_off_refuse_and_remember_nothing() {
    let slots = ConnectionLimiter::new(
        ConnectionLimits::default().max_connections(None).max_per_address(None),
    );
    let taken: Vec<_> = (0..1000).map(|_| slots.try_acquire(&peer("10.0.0.1")).unwrap()).collect();
    assert_eq!((slots.counts().in_use, slots.addresses()), (1000, 0));
    drop(taken);
}

#[test]
fn limits_release_the_memory_of_many_addresses() {
    let slots = slots(100_000, 1);
    let address = |n: u32| PeerAddr::Inet(SocketAddr::new(IpAddr::from(n.to_be_bytes()), 1));
    let crowd: Vec<_> = (0..50_000).map(|n| slots.try_acquire(&address(n)).unwrap()).collect();
    drop(crowd);
    assert!(slots.0.state.lock().by_address.capacity() <= 1024);
}

#[test]
fn limits_count_exactly_across_threads() {
    let slots = slots(4, 2);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let slots = &slots;
            scope.spawn(move || {
                for _ in 0..1000 {
                    let _slot = slots.try_acquire(&peer(&format!("10.0.0.{}", thread % 2)));
                }
            });
        }
    });
    assert_eq!((slots.counts().in_use, slots.addresses()), (0, 0));
}

proptest! {
    /// Compares the limiter with a simple model.
    #[test]
    fn limits_count_as_the_model_does(
        steps in prop::collection::vec((0..6u8, any::<bool>()), 0..200),
    ) {
        let slots = slots(8, 3);
        let mut held: Vec<(u8, Permit)> = Vec::new();
        for (who, comes) in steps {
            let there = held.iter().filter(|(other, _)| *other == who).count();
            if comes {
                let expected = match (held.len(), there) {
                    (8.., _) => Err(LimitReached::Total(8)),
                    (_, 3..) => Err(LimitReached::PerAddress(3)),
                    _ => Ok(()),
                };
                let taken = slots.try_acquire(&peer(&format!("10.0.0.{who}")));
                prop_assert_eq!(taken.as_ref().map(|_| ()).map_err(|no| *no), expected);
                held.extend(taken.ok().map(|slot| (who, slot)));
            } else if let Some(at) = held.iter().position(|(other, _)| *other == who) {
                held.swap_remove(at);
            }
            prop_assert_eq!(slots.counts().in_use as usize, held.len());
        }
    }
}
