//! Takes the bytes of a WebSocket connection apart: every frame, legal or not, and the messages,
//! round trips and ends that they make. No user interface, and without features no I/O.
//!
//! * [`Decoder`] decodes what one side sends, and says of each [`Frame`] what it is and which rule
//!   it breaks.
//! * [`Conversation`] joins both directions: it pairs Pings with Pongs, and knows who closed first.
//! * [`Store`](store::Store) keeps what was seen of many connections in bounded memory, and
//!   [`Filter`](filter::Filter) selects of it by a line of text.
//! * [`edit`] changes what one side sends: messages are held, dropped, replaced and injected, and
//!   the bytes of all others pass as they came.
//! * [`payload`] decodes what messages say: JSON, Socket.IO, MQTT, `MessagePack` and others.
//! * [`recording`] is a format of files that keep the bytes; [`har`] reads and writes messages as
//!   browsers export them. [`replay`] plans what a side of one sends again, and tells what differs.
//! * `attach`, with the feature of that name and on Unix, lets `fdx inspect` look into a program
//!   while it runs.
//!
//! The decoders never fail, whatever the bytes are, and their memory is bounded by
//! [`DecoderLimits`].
//!
//! ```
//! use std::time::Duration;
//!
//! use fullduplex_inspect::Decoder;
//! use fullduplex_inspect::proto::Role;
//!
//! let mut decoder = Decoder::new(Role::Client);
//! decoder.push(b"\x89\x80\0\0\0\0", Duration::ZERO, |frame| {
//!     assert_eq!((frame.opcode_name(), frame.violation), ("ping", None));
//! });
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(all(feature = "attach", unix))]
pub mod attach;
mod conversation;
mod date;
mod decoder;
pub mod edit;
pub mod filter;
mod frame;
pub mod har;
mod inflation;
mod limits;
mod message;
#[cfg(feature = "attach")]
mod opening;
pub mod payload;
pub mod recording;
pub mod redaction;
pub mod replay;
pub mod store;
mod tree;
mod violation;

pub use conversation::{Conversation, ConversationFrame};
pub use decoder::Decoder;
pub use frame::{Frame, LengthForm};
pub use fullduplex_proto as proto;
pub use inflation::InflationStop;
pub use limits::DecoderLimits;
pub use message::Message;
pub use tree::{Tree, TreeValue};
pub use violation::Violation;
