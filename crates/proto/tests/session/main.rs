//! The session as scripts: half-closing, the close deadline, the end, timers and rates.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]

mod deadline;
mod end;
mod half_close;
mod rates;
mod sending;
mod timers;

use std::time::Duration;

use fullduplex_proto::CloseFrame;

/// A second.
const S: Duration = Duration::from_secs(1);
/// When each script begins.
const NOW: Duration = Duration::ZERO;

#[allow(clippy::unnecessary_wraps)] // as the calls want it
fn frame(code: u16, reason: &str) -> Option<CloseFrame> {
    Some(CloseFrame::new(code.into(), reason).unwrap())
}

/// A client's frame with a payload of up to 125 bytes, whose key leaves the payload as it is.
fn from_client(first: u8, payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(payload.len()).unwrap();
    [&[first, 0x80 | len, 0, 0, 0, 0], payload].concat()
}
