//! The protocol core, attacked where it could be wrong: bytes on the wire read by a
//! parser that shares no code with it, and every rule from the other side.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
// Test data is cut to size on purpose.
#![allow(clippy::cast_possible_truncation)]

mod control_frames;
mod cuts;
mod failures;
mod frames;
mod limits;
mod model;
mod oracle;
mod payloads;
