//! A connection whose target is reached.

use std::time::Duration;

use fullduplex::NetStream;

use super::rewriting::Rewriting;

/// The time for the TLS handshake of a client.
pub(super) const TLS_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection whose target is reached.
pub(super) struct Opened {
    pub(super) client: NetStream,
    pub(super) target: NetStream,
    pub(super) rewriting: Rewriting,
    /// What the client has sent already.
    pub(super) early: Vec<u8>,
    /// Whether its bytes pass without being looked into.
    pub(super) is_blind: bool,
}

impl Opened {
    pub(super) fn new(client: NetStream, target: NetStream, rewriting: Rewriting) -> Self {
        Self { client, target, rewriting, early: Vec::new(), is_blind: false }
    }
}
