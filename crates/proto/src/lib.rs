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
