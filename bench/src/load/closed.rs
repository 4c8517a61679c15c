//! Closed loop: each connection keeps a number of messages in flight.

use std::io;
use std::time::Duration;

use mio::{Events, Poll, Token};

use super::link::Link;
use super::target::Target;
use super::traffic::Traffic;
use super::window::Window;
use super::{Counts, Run, Times};

/// Runs a load; `mark` is called when the warm-up is over and again at the end.
pub fn closed_loop(
    target: &Target,
    traffic: &Traffic,
    (connections, in_flight): (usize, u64),
    times: Times,
    mark: impl FnMut(),
) -> io::Result<Run> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut links = Vec::new();
    for i in 0..connections {
        // With takeover the order matters, so all start with the first message.
        let first = if traffic.deflate == Default::default() { i } else { 0 };
        links.push(Link::open(target, traffic, first, &poll, Token(i))?);
    }
    for link in &mut links {
        link.queue(traffic, in_flight);
        link.write(traffic)?;
    }
    let mut buffer = vec![0; 256 << 10];
    let mut counts = Counts::default();
    let mut window = Window::new(times, 2 * connections as u64, mark);
    loop {
        if let Some(run) = window.tick(counts)? {
            return Ok(run);
        }
        poll.poll(&mut events, Some(Duration::from_millis(5)))?;
        for event in &events {
            let link = &mut links[event.token().0];
            let done = counts.messages;
            link.read(&mut buffer, traffic, &mut counts)?;
            link.queue(traffic, counts.messages - done);
            link.write(traffic)?;
        }
    }
}
