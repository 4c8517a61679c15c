//! x
#![forbid(unsafe_code)]
mod code;
pub mod frame;
pub mod qpack;
mod refused;
mod settings;
pub mod varint;
pub use code::{Code, Fault};
pub use refused::Refused;
pub use settings::{PeerSettings, Settings};
