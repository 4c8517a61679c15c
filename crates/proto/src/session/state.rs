//! The state of a connection, and what to do with its transport.

/// The state of a connection, with the values of the WebSocket API's `readyState`.
///
/// ```text
///              open()             close(), fail(), idle       both Close frames seen,
///                                 or ping timeout, peer's     transport ended, or deadline
///                                 Close
/// Connecting ─────────▶ Open ─────────────────▶ Closing ─────────────────▶ Closed
///      │                  │                                                  ▲
///      └──────────────────┴──────────── transport ended ─────────────────────┘
/// ```
///
/// It is complete: the WebSocket API has no other states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum ReadyState {
    /// The opening handshake is not done.
    Connecting,
    /// Messages flow both ways.
    Open,
    /// A Close frame was queued or received, and the closing is not complete.
    Closing,
    /// Nothing can be sent or received any more.
    Closed,
}

/// What the caller must do with the transport now.
///
/// It is complete: the caller must be able to do each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransportAction {
    /// Read and write.
    Use,
    /// Write what is queued, shut writing down, and drop the transport. Either the closing
    /// handshake is done and this end closes the transport first, as servers do (§7.1.1); or the
    /// peer has ended its direction, so that nothing more can be received.
    Finish,
    /// Write what is queued, then read until the peer ends the transport: the closing handshake is
    /// done and this is the client, which leaves that to the server (§7.1.1). For a multiplexed
    /// stream it is [`Finish`](Self::Finish): see
    /// [`set_multiplexed`](crate::Session::set_multiplexed).
    AwaitEnd,
    /// Write what is queued, shut writing down, and read and ignore everything to the end: the
    /// connection was failed (§7.1.7). A socket that is closed over unread bytes is reset, which
    /// can discard the Close frame on its way.
    Drain,
    /// Drop the transport.
    Drop,
}
