//! Groups of WebSockets that are sent the same messages, and topics.
//!
//! A [`Group`] is one set of WebSockets, such as a room of a chat. [`Topics`] are groups by name,
//! which come and go with their members. Both take a WebSocket or its sending half, of any HTTP
//! version, as clients and servers have them.
//!
//! A message is encoded once, and compressed at most once for each window size among the members.
//! Publishing never waits: [`LagPolicy`] decides what becomes of a member that reads too slowly,
//! and [`PublishReport`] counts them. A member leaves when its [`Membership`] or [`Subscription`]
//! is dropped, or its connection ends.
//!
//! ```
//! # use fullduplex::{PreparedMessage, WebSocket};
//! use fullduplex::broadcast::{Group, LagPolicy};
//!
//! async fn member(mut websocket: WebSocket, room: Group) -> Result<(), fullduplex::Error> {
//!     // The WebSocket is sent what is published until this is dropped.
//!     let _membership = room.join(&websocket, LagPolicy::DropNewest);
//!     while let Some(message) = websocket.next().await {
//!         room.publish(&PreparedMessage::new(message?));
//!     }
//!     Ok(())
//! }
//! ```

mod group;
mod topics;

pub use crate::connection::writer::delivery::LagPolicy;
pub use group::{Group, Membership, PublishReport};
pub use topics::{Subscription, Topics};
