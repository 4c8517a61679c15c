//! The Engine.IO v4 protocol: sessions that exchange messages by HTTP long-polling or a WebSocket.
//!
//! * [`Engine`] opens a [`Session`] for each client, and runs a handler with it. [`EngineConfig`]
//!   has its settings.
//! * A [`Session`] receives, and its [`Sender`] sends [`Outgoing`] messages.
//! * [`Packet`] and [`Payload`] are the encoding, without I/O.
//!
//! A client begins to poll, or opens a WebSocket at once. One that polls may upgrade: it opens a
//! WebSocket with the id of the session, probes it, and leaves polling when the answer is there.
//! Until then every poll is answered, and if the WebSocket fails, polling goes on.

mod config;
mod context;
mod counters;
mod driver;
mod effects;
mod id;
pub mod memory;
#[cfg(feature = "metrics")]
mod metrics;
mod opening;
mod outcome;
mod outgoing;
mod packet;
mod payload;
mod protocol;
mod queue;
mod server;
mod session;
mod sessions;
mod shared;
mod stats;

pub use config::EngineConfig;
#[cfg(feature = "admin")]
pub(crate) use context::EngineContext;
pub use id::SessionId;
pub use outcome::{EndReason, SendOutcome, TransportKind};
pub use outgoing::Outgoing;
pub use packet::{Data, DecodeError, Packet};
pub use payload::Payload;
pub use server::Engine;
pub(crate) use server::{Admission, AdmissionError, SessionTask};
pub use session::{Sender, Session};
pub use stats::{EngineStats, PacketStats, RejectReason, TransportStats, UpgradeStats};

pub(crate) use protocol::{CLOSED_PAYLOAD, PollingError};
pub(crate) use sessions::Found;
pub(crate) use shared::Shared;
