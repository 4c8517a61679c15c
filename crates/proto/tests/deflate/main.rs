//! permessage-deflate (RFC 7692): negotiation, receiving, sending, and both against zlib.
#![allow(clippy::unwrap_used)]
// Lengths and random numbers that fit by how they are made.
#![allow(clippy::cast_possible_truncation)]

mod bombs;
mod negotiation;
mod receiving;
mod sending;
mod zlib;
