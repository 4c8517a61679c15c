//! A client that reconnects automatically.

mod backoff;
mod connection;
mod control;
mod event;
mod platform;
mod queue;
mod reconnecting;
mod record;
mod sender;
mod settings;
mod task;
#[cfg(not(target_family = "wasm"))]
mod trace;

pub use backoff::Backoff;
pub use connection::ReconnectStats;
pub use event::{DisconnectReason, ReconnectEvent};
pub use queue::OfflinePolicy;
pub use reconnecting::Reconnecting;
pub use sender::ReconnectSender;
pub use settings::{ReconnectBuilder, RequestOverride};
