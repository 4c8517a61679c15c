//! The protocol core of fullduplex: WebSocket (RFC 6455, RFC 7692) without I/O, clock or
//! randomness, for any runtime or none.
//!
//! * [`handshake`] — the opening handshake, both roles, for HTTP/1.1 and extended CONNECT.
//! * [`Connection`] — an open connection: received bytes become events, and messages become bytes
//!   to write. Its documentation explains how to drive it.
//! * [`Receiver`] and [`Session`] — the two halves of a connection, for use on different tasks.
//! * [`deflate`] — permessage-deflate (RFC 7692): negotiation and compression.
//! * [`frame`], [`mask`], [`utf8`], [`close`] — the parts that these are made of.
//!
//! A program reads from its transport into a [`ReceiveBuffer`], and writes what
//! [`Session::outgoing`] has. The example `blocking` is a whole client on the sockets of `std`, and
//! `bare-metal` one for a device without an operating system; the crate `fullduplex` is the library
//! on tokio.
//!
//! ```
//! use core::time::Duration;
//!
//! use fullduplex_proto::bytes::Buf;
//! use fullduplex_proto::{Assembler, Config, Connection, MessageEvent, ReceiveBuffer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // After the opening handshake. Time is an argument, counted from any moment.
//! let now = Duration::ZERO;
//! let (mut receiver, mut session) = Connection::server(&Config::default()).into_parts();
//! session.open(now);
//!
//! // What was read: the text "Hello" of a client (RFC 6455 §5.7).
//! let (mut buffer, mut assembler) = (ReceiveBuffer::default(), Assembler::default());
//! buffer.bytes_mut().extend_from_slice(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
//! while let Some(event) = buffer.next(&mut receiver, &mut assembler)? {
//!     if let Some(control) = event.control() {
//!         // Answers Pings and Closes.
//!         session.handle_event(&control, now)?;
//!     } else if let MessageEvent::Message(message) = event {
//!         let (kind, payload) = (message.kind(), message.into_bytes());
//!         session.send(kind, payload).map_err(|(error, _)| error)?;
//!     }
//! }
//!
//! // What is to be written.
//! assert_eq!(session.outgoing().chunk(), b"\x81\x05Hello");
//! # Ok(())
//! # }
//! ```
//!
//! # `no_std`
//!
//! The crate is `no_std` with `alloc`, and has no global state, with one exception. The feature
//! `deflate`, which is on by default, needs `std`: each thread keeps a pool of DEFLATE workspaces,
//! and a connection borrows one for a message. What is sent and received does not depend on the
//! pool.
//!
//! # Design rules
//!
//! * Buffers belong to the caller.
//! * [`Receiver::receive`] neither copies nor allocates payload.
//! * An incomplete header or control frame consumes no input.
//! * [`Limits`] and [`SendConfig`] bound what is held for a peer.
//!
//! # Versions
//!
//! This crate has the version number of `fullduplex`, which exports it as `fullduplex::proto` and
//! shows its types, and follows semantic versioning with it: an incompatible change of one is a
//! new 0.x of both.
//!
//! Promised are the public items, what is sent to which input, the default settings and the close
//! codes. Not promised are the texts of errors and of `Debug`, the sizes of types, how received
//! bytes are cut into [`DataChunk`]s and output into slices, and the compressed form of a message.
//! Enums that may grow are `#[non_exhaustive]`; the others say why they are complete.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// Lengths are narrowed only where the type or the line above bounds them. A `try_from` there
// would add an error that can't happen.
#![allow(clippy::cast_possible_truncation)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod assembler;
pub mod close;
mod close_code;
mod close_info;
mod config;
mod config_error;
mod connection;
pub mod deflate;
mod error;
pub mod frame;
pub mod handshake;
mod limits;
pub mod mask;
mod message;
mod receive;
mod receive_buffer;
mod send;
mod session;
mod setters;
mod short_debug;
mod timers;
mod token_bucket;
pub mod utf8;
mod utf8_bytes;

pub use bytes;

pub use assembler::{Assembler, PayloadAllocator};
pub use close::CloseFrame;
pub use close_code::CloseCode;
pub use close_info::{CloseCause, CloseInfo, Initiator};
pub use config::Config;
pub use config_error::ConfigError;
pub use connection::Connection;
pub use deflate::{Compression, DeflateConfig, DeflateParams, PerMessageDeflate, PreparedMessage};
pub use error::ProtocolError;
pub use frame::{OpCode, Role};
pub use limits::Limits;
#[cfg(feature = "json")]
pub use message::JsonError;
pub use message::Message;
pub use receive::{DataChunk, Event, MessageKind, Received, Receiver};
pub use receive_buffer::{MessageEvent, OwnedEvent, ReceiveBuffer};
pub use send::{FrameBatch, Outgoing, SendBuffer, SendConfig, SendError};
pub use session::{ReadyState, Session, TransportAction};
pub use timers::KeepaliveConfig;
pub use utf8_bytes::{FromUtf8Error, Utf8Bytes};
