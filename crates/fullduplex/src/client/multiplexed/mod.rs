//! What HTTP/2 and HTTP/3 have in common: both carry many WebSockets on one connection.

pub(super) mod auto;
pub(super) mod capability_cache;
mod extended_connect;
pub(super) mod pool;
