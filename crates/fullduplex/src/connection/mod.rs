//! An open WebSocket: its halves, the writer that they share, and the task that drives it.

pub(crate) mod builder;
pub(crate) mod byte_stream;
#[cfg(any(feature = "client", feature = "server"))]
pub(crate) mod close_kind;
pub(crate) mod control_frames;
pub(crate) mod driver;
pub(crate) mod message_io;
#[cfg(all(feature = "metrics", any(feature = "client", feature = "server")))]
pub(crate) mod metrics;
pub(crate) mod observer;
#[cfg(any(feature = "client", feature = "server"))]
pub(crate) mod open_connections;
pub(crate) mod reader;
pub(crate) mod shared_frames;
pub(crate) mod split;
pub(crate) mod websocket;
pub(crate) mod writer;
