//! The HTTP side of the engine: a tower service and layer, and what serves a
//! [`Server`](fullduplex::server::Server).

mod body;
mod cors;
mod error;
mod query;
mod respond;
mod serve;
mod service;
mod websocket;

pub use body::ResponseBody;
pub use service::{Empty, EngineLayer, EngineService, NotFound, ResponseFuture};
