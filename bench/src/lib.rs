//! What the servers, the load and the codec benches share.

pub mod floor;
pub mod payload;
pub mod setup;
pub mod upgrade;
