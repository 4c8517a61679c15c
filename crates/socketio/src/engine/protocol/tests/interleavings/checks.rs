//! What has to be true when everything has arrived.

use super::client::Knowledge;
use super::world::World;
use super::*;

impl World {
    pub(super) fn check(&self) {
        let Self { client, session, .. } = self;
        assert_sequence(&client.received);
        assert_sequence(&self.received);
        let server_has_all = self.received.len() == client.sent as usize;
        let client_has_all = client.received.len() == self.sent as usize;
        let knows = client.knows;
        // An upgrade may be too late for the server, and a POST for a close.
        let is_closed = session.end_reason() == Some(EndReason::ForcedClose);
        assert!(knows != Knowledge::Lost || self.is_cut || self.is_hasty || is_closed);
        match session.end_reason() {
            None if knows == Knowledge::Open => assert!(server_has_all && client_has_all),
            None => assert!(self.is_cut || knows == Knowledge::Lost, "the end arrives: {knows:?}"),
            Some(_) if client.is_open() => panic!("the client does not know of the end"),
            Some(_) if self.is_cut => {}
            Some(EndReason::ForcedClose) if knows == Knowledge::Told => {
                assert!(client_has_all, "a close flushes first");
            }
            Some(EndReason::ForcedClose) => assert_ne!(knows, Knowledge::Open),
            Some(EndReason::TransportClose) => {
                assert_eq!(knows, Knowledge::Closed);
                assert!(server_has_all, "a client flushes before it closes");
            }
            Some(EndReason::PingTimeout) => assert!(self.is_hasty),
            Some(reason) => panic!("it ends for {reason:?}"),
        }
    }

    /// The session ends when the client falls silent, and keeps nothing.
    pub(super) fn check_end(&mut self) {
        let begun = self.now;
        for _ in 0..20 {
            let Some(deadline) = self.session.deadline() else { break };
            self.now = self.now.max(deadline);
            self.session.tick(self.now);
        }
        let Self { session, now, .. } = self;
        assert!(session.end_reason().is_some());
        assert_eq!(session.deadline(), None);
        assert!(!session.has_queued() && !session.is_probing());
        let longest = if self.is_hasty { 40 } else { 4000 };
        assert!(now.duration_since(begun) <= Duration::from_secs(longest));
        assert_eq!(session.send(&Outgoing::text("late"), None), None);
    }
}

fn assert_sequence(received: &[u32]) {
    let is_sequence = (0..).zip(received).all(|(expected, number)| expected == *number);
    assert!(is_sequence, "{received:?}");
}
