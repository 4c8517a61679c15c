//! `fdx inspect`: a relay that changes nothing, and shows all.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]

mod act;
#[cfg(unix)]
mod attach;
#[path = "../common/mod.rs"]
mod common;
mod files;
mod http2;
mod page;
mod proxy;
mod relay;
mod run;
mod transparency;
