#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod engine;
pub mod http;

mod args;
mod binary;
mod id;
mod packet;
mod parser;
pub mod recovery;
mod server;
mod trace;
mod value;

pub use args::{Args, ArgsError, Variadic};
pub use binary::Binary;
pub use id::SocketId;
pub use packet::{EncodeError, Packet, PacketBody, PacketError, PacketLimits};
pub use parser::{Decoder, EncodedPacket, Head, Parser, PartialPacket};
pub use recovery::Recovery;
#[cfg(feature = "admin")]
pub use server::Admin;
pub use server::{
    AckError, Acks, Broadcast, BroadcastReport, ConnectError, ConnectRequest, Delivery,
    DisconnectReason, Event, JoinOutcome, Matching, Namespace, NamespaceBuilder, RecoveryOutcome,
    SlowPolicy, Socket, SocketIo, SocketIoBuilder, SocketIoStats,
};
pub use value::Value;
