//! Code that the servers, the clients, the harness and the codec benchmarks share.

pub mod client;
pub mod floor;
pub mod load;
pub mod payload;
pub mod settings;
pub mod setup;
pub mod upgrade;
