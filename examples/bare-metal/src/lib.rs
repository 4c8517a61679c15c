//! A WebSocket client for a device without an operating system: no `std`, no tasks, no waiting.
//!
//! The main loop of the device calls [`Client::poll`] with the time of its clock. The bytes go
//! through a [`Link`]: a UART with a modem behind it, or a TCP socket of smoltcp. Memory comes from
//! the global allocator that the device has, and the limits below bound it.
//!
//! It compiles for a target such as `thumbv7em-none-eabi`, and its test runs it on a socket.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod client;

pub use client::{Client, Link, Progress};
