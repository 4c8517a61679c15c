//! WebSocket protocol core without I/O.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod handshake;
