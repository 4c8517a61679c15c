//! WebSocket clients in a browser, and in Node, Deno and Bun.
//!
//! * [`connect`] opens a WebSocket with the default settings.
//! * [`Client`] has settings, made by a [`ClientBuilder`].
//! * [`Client::reconnecting`] opens a connection again when it breaks, and queues messages
//!   meanwhile.

#[path = "reconnect/mod.rs"]
mod reconnect;

pub use crate::web::builder::ClientBuilder;
pub use crate::web::client::{Client, connect};
pub use crate::web::request::IntoClientRequest;
pub use futures_core::future::BoxFuture;
pub use reconnect::{
    Backoff, DisconnectReason, OfflinePolicy, ReconnectBuilder, ReconnectEvent, ReconnectSender,
    ReconnectStats, Reconnecting, RequestOverride,
};
