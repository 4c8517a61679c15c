#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod extract;
mod failed_upgrade;
mod rejection;

pub use extract::WebSocketUpgrade;
pub use failed_upgrade::{DefaultOnFailedUpgrade, OnFailedUpgrade};
pub use fullduplex::{self, CloseCode, Error, Message, Utf8Bytes, WebSocket};
pub use rejection::WebSocketUpgradeRejection;
