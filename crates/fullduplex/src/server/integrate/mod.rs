//! WebSockets in servers that hyper runs, and in front of tower services.

#[cfg(feature = "tower")]
pub(crate) mod layer;
pub(crate) mod rejection;
#[cfg(feature = "tower")]
pub(crate) mod service;
pub(crate) mod upgrade;

pub use rejection::Rejection;
#[cfg(feature = "tower")]
pub use service::{ResponseBody, ResponseFuture, WebSocketService};
pub use upgrade::{Upgrade, UpgradeRequest, is_websocket};
