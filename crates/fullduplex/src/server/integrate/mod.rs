//! WebSockets in servers that hyper runs, and in front of tower services.

#[cfg(feature = "tower")]
pub(crate) mod layer;
pub(crate) mod rejection;
pub(crate) mod upgrade;

#[cfg(feature = "tower")]
pub use layer::{ResponseBody, ResponseFuture, WebSocketService};
pub use rejection::Rejection;
pub use upgrade::{Upgrade, UpgradeRequest, is_websocket};
