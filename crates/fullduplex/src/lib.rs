//! WebSocket for tokio.
#![forbid(unsafe_code)]

mod buffers;
mod byte_stream;
mod driver;
mod error;
mod halves;
mod incoming;
mod mask;
mod message_io;
mod outlet;
mod split;
mod websocket;

pub use byte_stream::ByteStream;
pub use error::{Error, ErrorKind};
pub use fullduplex_proto::{
    self as proto, Cause, CloseCode, CloseFrame, CloseInfo, Config, Initiator, KeepaliveConfig,
    Kind, Limits, Message, Role, SendConfig, State, Utf8Bytes,
};
pub use halves::Transport;
pub use message_io::{MessageReader, MessageWriter};
pub use split::{ReceiveHalf, SendHalf, TrySendError};
pub use websocket::WebSocket;
