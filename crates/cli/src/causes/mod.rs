//! Why an attempt to open a WebSocket failed, and what to change.

#[allow(dead_code, reason = "the commands do not collect all of it yet")]
pub(crate) mod observation;
