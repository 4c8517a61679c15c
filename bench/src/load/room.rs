//! Broadcast: one member sends, and every member must receive all of it, in order.

use std::io;
use std::time::Duration;

use mio::{Events, Poll, Token};

use super::link::Link;
use super::target::Target;
use super::traffic::Traffic;
use super::window::Window;
use super::{Counts, Run, Times};

/// Keeps a number of messages in flight to all members, and counts deliveries.
pub fn room(
    target: &Target,
    traffic: &Traffic,
    (members, in_flight): (usize, u64),
    times: Times,
    mark: impl FnMut(),
) -> io::Result<Run> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(4096);
    let mut links = Vec::new();
    for i in 0..members {
        // All receive the same from the first message on.
        links.push((Link::open(target, traffic, 0, &poll, Token(i))?, 0));
    }
    // A server may answer a request a little before it adds the member.
    std::thread::sleep(Duration::from_millis(200));
    links[0].0.queue(traffic, in_flight);
    links[0].0.write(traffic)?;
    // For each message in flight, the number of members that have not received it.
    let mut missing = vec![members; in_flight as usize];
    let mut buffer = vec![0; 256 << 10];
    let mut counts = Counts::default();
    let mut window = Window::new(times, 2 * members as u64, mark);
    loop {
        if let Some(run) = window.tick(counts)? {
            return Ok(run);
        }
        poll.poll(&mut events, Some(Duration::from_millis(10)))?;
        let mut heard_by_all = 0;
        for event in &events {
            let (link, received) = &mut links[event.token().0];
            let done = counts.messages;
            link.read(&mut buffer, traffic, &mut counts)?;
            link.write(traffic)?;
            for _ in done..counts.messages {
                let left = &mut missing[(*received % in_flight) as usize];
                *received += 1;
                *left -= 1;
                if *left == 0 {
                    *left = members;
                    heard_by_all += 1;
                }
            }
        }
        if heard_by_all > 0 {
            links[0].0.queue(traffic, heard_by_all);
            links[0].0.write(traffic)?;
        }
    }
}
