//! Groups of WebSockets that are sent the same messages, and topics.
//!
//! A [`Group`] is one set of WebSockets, such as a room of a chat. [`Topics`] are groups by name,
//! which come and go with their members. Both take a WebSocket or its sending half.
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
