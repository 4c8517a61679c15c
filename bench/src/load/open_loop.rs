//! Open loop: messages are due at times that don't depend on the server, and their latency counts
//! from when they were due. So a server that stops for a while is charged for all that were due
//! meanwhile, whether or not they could be sent (coordinated omission).

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use crate::payload::Random;
use mio::{Events, Poll, Token};

use super::histogram::Histogram;
use super::link::Link;
use super::target::Target;
use super::traffic::Traffic;
use super::{Counts, Times, wrong};

/// The latencies of a run, in nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    /// From when a message was due to when its reply was read.
    pub latency: Histogram,
    /// From when a message was due to when it was sent: the load's own part in it.
    pub late: Histogram,
}

/// Sends `rate` messages a second, at random times (a Poisson process, the same in each
/// run), on connections in turn.
pub fn open_loop(
    target: &Target,
    traffic: &Traffic,
    connections: usize,
    rate: f64,
    times: Times,
) -> io::Result<Latencies> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut links = Vec::new();
    for i in 0..connections {
        let link = Link::open(target, traffic, i, &poll, Token(i))?;
        links.push((link, VecDeque::<Duration>::new()));
    }
    let mut buffer = vec![0; 256 << 10];
    let mut random = Random(0x5851_F42D_4C95_7F2D);
    let (mut counts, mut latencies) = (Counts::default(), Latencies::default());
    let (mut turn, mut due) = (0, Duration::ZERO);
    let end = times.warm_up + times.measured;
    let start = Instant::now();
    loop {
        let now = start.elapsed();
        while due <= now && due < end {
            let (link, waiting) = &mut links[turn % connections];
            link.queue(traffic, 1);
            link.write(traffic)?;
            waiting.push_back(due);
            if due >= times.warm_up {
                latencies.late.record((start.elapsed() - due).as_nanos() as u64);
            }
            turn += 1;
            due += gap(&mut random, rate);
        }
        if now > end && links.iter().all(|(_, waiting)| waiting.is_empty()) {
            return Ok(latencies);
        }
        if now > end + Duration::from_secs(20) {
            return Err(wrong("replies are missing"));
        }
        // It never sleeps, as epoll's clock is too coarse for when the next message is due.
        poll.poll(&mut events, Some(Duration::ZERO))?;
        for event in &events {
            let (link, waiting) = &mut links[event.token().0];
            let before = counts.messages;
            link.read(&mut buffer, traffic, &mut counts)?;
            link.write(traffic)?;
            let now = start.elapsed();
            for _ in before..counts.messages {
                let due = waiting.pop_front().ok_or_else(|| wrong("one reply too many"))?;
                if due >= times.warm_up {
                    latencies.latency.record((now - due).as_nanos() as u64);
                }
            }
        }
    }
}

/// Returns the time between two messages, exponentially distributed.
fn gap(random: &mut Random, rate: f64) -> Duration {
    let uniform = ((random.draw() >> 11) as f64 + 1.0) / (1u64 << 53) as f64;
    Duration::from_secs_f64(-uniform.ln() / rate)
}
