//! Connections that exchange a few messages and then stay.

use std::io;
use std::time::Duration;

use mio::{Events, Poll, Token};

use super::link::Link;
use super::target::Target;
use super::traffic::Traffic;
use super::{Counts, wrong};

/// Opens connections, and exchanges a number of messages on each, one by one.
pub fn one_by_one(
    target: &Target,
    traffic: &Traffic,
    connections: usize,
    messages: u64,
) -> io::Result<Vec<Link>> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(16);
    let mut buffer = vec![0; 64 << 10];
    let mut links = Vec::new();
    for i in 0..connections {
        let mut link = Link::open(target, traffic, 0, &poll, Token(i))?;
        let mut counts = Counts::default();
        for sent in 1..=messages {
            link.queue(traffic, 1);
            link.write(traffic)?;
            while counts.messages < sent {
                poll.poll(&mut events, Some(Duration::from_secs(5)))?;
                if events.is_empty() {
                    return Err(wrong("no reply"));
                }
                link.read(&mut buffer, traffic, &mut counts)?;
                link.write(traffic)?;
            }
        }
        links.push(link);
    }
    Ok(links)
}
