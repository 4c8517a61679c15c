//! Two taps of one client.

use std::sync::Arc;
use std::time::Instant;

use fullduplex::tap::{ConnectionTap, Direction, Opening, Tap, TransportEnd};

/// Two taps as one.
#[derive(Debug)]
pub(super) struct BothTaps(pub(super) Arc<dyn Tap>, pub(super) Arc<dyn Tap>);

struct Both(Vec<Box<dyn ConnectionTap>>);

impl Tap for BothTaps {
    fn opened(&self, opening: &Opening<'_>) -> Option<Box<dyn ConnectionTap>> {
        let taps = [self.0.opened(opening), self.1.opened(opening)];
        Some(Box::new(Both(taps.into_iter().flatten().collect())))
    }
}

impl ConnectionTap for Both {
    fn received(&mut self, bytes: &[u8], at: Instant) {
        for tap in &mut self.0 {
            tap.received(bytes, at);
        }
    }

    fn sent(&mut self, bytes: &[u8], at: Instant) {
        for tap in &mut self.0 {
            tap.sent(bytes, at);
        }
    }

    fn ended(&mut self, direction: Direction, end: &TransportEnd, at: Instant) {
        for tap in &mut self.0 {
            tap.ended(direction, end, at);
        }
    }
}
