//! A client that reconnects automatically.

mod backoff;
mod event;
mod queue;
mod reconnecting;
mod settings;
mod task;

pub use backoff::Backoff;
pub use event::{DisconnectReason, ReconnectEvent};
pub use queue::OfflinePolicy;
pub use reconnecting::{ReconnectSender, Reconnecting};
pub use settings::{ReconnectBuilder, RequestOverride};
