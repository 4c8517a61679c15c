//! A connection whose target is reached.

use std::time::Duration;

use fullduplex::NetStream;

use super::rewriting::Rewriting;
use super::socket::Socket;

/// The time for the TLS handshake of a client.
pub(super) const TLS_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection whose target is reached.
pub(super) struct Opened {
    pub(super) client: Socket,
    pub(super) target: Socket,
    pub(super) rewriting: Rewriting,
    /// What the client has sent already.
    pub(super) early: Vec<u8>,
    /// Whether its bytes pass without being looked into.
    pub(super) is_blind: bool,
    /// Whether both sides speak HTTP/2.
    pub(super) is_http2: bool,
}

impl Opened {
    pub(super) fn new(client: NetStream, target: NetStream, rewriting: Rewriting) -> Self {
        let (client, target) = (Socket::new(client, Vec::new()), Socket::new(target, Vec::new()));
        let early = Vec::new();
        Self { client, target, rewriting, early, is_blind: false, is_http2: false }
    }
}
