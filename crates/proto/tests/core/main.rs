//! The protocol core, attacked where it could be wrong: bytes on the wire read by a
//! parser that shares no code with it, and every rule from the other side.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
// Test data is cut to size on purpose.
#![allow(clippy::cast_possible_truncation)]

mod control;
mod failing;
mod limits;
mod naive;
mod payloads;
mod pieces;
mod twin;
mod wire;
