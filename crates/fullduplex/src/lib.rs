//! WebSocket for tokio.
#![forbid(unsafe_code)]
