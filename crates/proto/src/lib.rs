//! The protocol core of fullduplex: WebSocket (RFC 6455, RFC 7692) without I/O, clock or
//! randomness, for any runtime or none.
//!
//! * [`handshake`] — the opening handshake, both roles, for HTTP/1.1 and extended CONNECT.
//! * [`Connection`] — what follows it: bytes in, events out, messages in, bytes out. Its
//!   documentation states how to drive it.
//! * [`Receiver`] and [`Session`] — its two halves, for use on different tasks.
//! * [`deflate`] — permessage-deflate (RFC 7692): negotiation, and what is done with it.
//! * [`frame`], [`mask`], [`utf8`], [`close`] — the pieces they are made of.
//!
//! It is `no_std` with `alloc`, and holds no state outside of its values, with one exception: the
//! feature `deflate`, which is on by default, needs `std`, as each thread keeps the workspaces of
//! DEFLATE in a pool and lends them to its connections for a message. What is sent and received does
//! not depend on them; without the feature there is none.
//!
//! Design limits: buffers belong to the caller; data is never copied or allocated by
//! [`Receiver::receive`]; an incomplete header or control frame consumes nothing; what is
//! held for a peer is bounded by [`Limits`] and [`SendConfig`].
#![no_std]
#![forbid(unsafe_code)]
// Lengths are narrowed where the type or the line above bounds them; a `try_from` there
// would add a failure that can't happen.
#![allow(clippy::cast_possible_truncation)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod close;
mod close_code;
mod close_info;
mod config;
mod connection;
pub mod deflate;
mod error;
pub mod frame;
pub mod handshake;
mod input;
mod limits;
pub mod mask;
mod message;

mod receive;
mod send;
mod session;
mod timers;
mod token_bucket;
pub mod utf8;

pub use bytes;

pub use close::CloseFrame;
pub use close_code::CloseCode;
pub use close_info::{CloseCause, CloseInfo, Initiator};
pub use config::Config;
pub use connection::Connection;
#[cfg(feature = "deflate")]
pub use deflate::PreparedMessage;
pub use deflate::{Compression, DeflateConfig, DeflateParams, PerMessageDeflate};
pub use error::ProtocolError;
pub use frame::{OpCode, Role};
pub use input::{MessageEvent, OwnedEvent, ReceiveBuffer};
pub use limits::Limits;
pub use message::{Assembler, Message, PayloadAllocator, Utf8Bytes};
pub use receive::{DataChunk, Event, MessageKind, Received, Receiver};
pub use send::{FrameBatch, Outgoing, SendBuffer, SendConfig, SendError};
pub use session::{ReadyState, Session, TransportAction};
pub use timers::KeepaliveConfig;
