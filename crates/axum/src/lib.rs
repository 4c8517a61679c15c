#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod extract;
mod failed;
mod rejection;

pub use extract::WebSocketUpgrade;
pub use failed::{DefaultOnFailedUpgrade, OnFailedUpgrade};
pub use fullduplex::{self, CloseCode, Error, Message, Utf8Bytes, WebSocket};
pub use rejection::WebSocketUpgradeRejection;
