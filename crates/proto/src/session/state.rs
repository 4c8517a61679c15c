//! Where a connection is, and what is to be done with its transport.

/// Where the connection stands; the same four as the WebSocket API's `readyState`.
///
/// ```text
///              open()             close(), fail(), idle       both Close frames seen,
///                                 or ping timeout, peer's     transport ended, or deadline
///                                 Close
/// Connecting ─────────▶ Open ─────────────────▶ Closing ─────────────────▶ Closed
///      │                  │                                                  ▲
///      └──────────────────┴──────────── transport ended ─────────────────────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReadyState {
    /// The opening handshake is not done.
    Connecting,
    /// Messages flow both ways.
    Open,
    /// A Close frame was queued or received, and the rest is awaited.
    Closing,
    /// Nothing can be sent or received any more.
    Closed,
}

/// What is to be done with the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransportAction {
    /// Read and write.
    Use,
    /// Write what waits, shut writing down, and drop the transport. Either the closing
    /// handshake is done and this end closes the transport first, as servers do (§7.1.1); or
    /// the peer has ended its direction, so that nothing more can be received.
    Finish,
    /// Write what waits, then read until the peer ends the transport: the closing
    /// handshake is done and this is the client, which leaves that to the server (§7.1.1).
    /// Of a stream it is [`Finish`](Self::Finish): see
    /// [`set_multiplexed`](crate::Session::set_multiplexed).
    AwaitEnd,
    /// Write what waits, shut writing down, and read to the end without listening: the
    /// connection was failed (§7.1.7). Reading on lets the Close frame arrive; a socket
    /// that is closed over unread bytes takes it back.
    Drain,
    /// Drop the transport.
    Drop,
}
