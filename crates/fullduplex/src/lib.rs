//! WebSocket for tokio.
#![forbid(unsafe_code)]

mod buffers;
mod byte_stream;
mod client;
mod driver;
mod error;
mod halves;
mod http1;
mod incoming;
mod mask;
mod message_io;
mod outlet;
pub mod server;
mod split;
mod uri;
mod websocket;

pub use byte_stream::ByteStream;
pub use client::{Client, ClientBuilder, connect};
pub use error::{Error, ErrorKind};
pub use fullduplex_proto::{
    self as proto, Cause, CloseCode, CloseFrame, CloseInfo, Config, Initiator, KeepaliveConfig,
    Kind, Limits, Message, Role, SendConfig, State, Utf8Bytes,
};
pub use halves::Transport;
pub use http1::HandshakeLimits;
pub use message_io::{MessageReader, MessageWriter};
pub use split::{ReceiveHalf, SendHalf, TrySendError};
pub use websocket::WebSocket;
