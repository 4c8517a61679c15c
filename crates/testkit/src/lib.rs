//! Test tools of fullduplex.
//!
//! * [`pair`] — both ends of a connection, without I/O, with virtual time.
//! * [`pipe`] — an in-memory byte transport whose every call can be counted and stalled.
//! * [`hostile`] — transports that read and write as badly as the contract allows.
//! * [`chop`] — results that must not depend on how the input is split.
//! * [`receive`] — events of the adapter that assembles messages.
//! * [`cancel`] — futures that are dropped at every point at which they wait.
//! * [`wait`] — waits that fail instead of hanging.
#![forbid(unsafe_code)]

pub mod cancel;
pub mod chop;
pub mod hostile;
pub mod pair;
pub mod pipe;
pub mod receive;
mod rng;
pub mod wait;

pub use rng::Rng;
pub use wait::{eventually, wait_until};

/// Returns the peak of this process's resident memory in bytes, as Linux counts it.
pub fn peak_rss() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kib = line.and_then(|l| l.trim().strip_suffix("kB")).map(str::trim);
    kib.and_then(|k| k.parse::<u64>().ok()).unwrap_or(0) * 1024
}
