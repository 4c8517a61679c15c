//! The code of the book and of the READMEs, as documentation of modules, so that `cargo test --doc`
//! compiles and runs it. A page needs no entry here: the build script finds them.
//!
//! A block of `rust` that should not run is marked `no_run`, one that belongs to no program is
//! marked `text`. Crates that the code uses are dev-dependencies of this one.
#![forbid(unsafe_code)]

pub mod pages;

#[cfg(doctest)]
include!(concat!(env!("OUT_DIR"), "/pages.rs"));
