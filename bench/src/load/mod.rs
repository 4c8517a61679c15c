//! The load: one thread over epoll that sends, receives, and checks every byte.

mod closed;
mod crowd;
mod handshakes;
mod histogram;
mod link;
mod one_by_one;
mod open_loop;
mod replies;
mod room;
pub mod target;
mod traffic;
mod window;

pub use closed::closed_loop;
pub use crowd::{Crowd, PER_SOURCE};
pub use handshakes::handshakes;
pub use link::write_out;
pub use one_by_one::one_by_one;
pub use open_loop::open_loop;
pub use replies::Replies;
pub use room::room;
pub use target::Target;
pub use traffic::Traffic;
pub use window::Window;

use std::time::Duration;

/// The number of connections that are opened at once when handshakes are counted.
pub const CONCURRENT_HANDSHAKES: usize = 32;

/// The counts of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub messages: u64,
    /// Payload bytes on the wire, compressed or not.
    pub payload: u64,
}

/// The counts of the measured part of a run, and its duration.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub messages: u64,
    pub payload: u64,
    pub seconds: f64,
}

impl std::ops::Sub for Counts {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { messages: self.messages - other.messages, payload: self.payload - other.payload }
    }
}

/// The durations of a run's warm-up and of its measured part.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub warm_up: Duration,
    pub measured: Duration,
}

fn wrong(why: impl Into<String>) -> std::io::Error {
    std::io::Error::other(why.into())
}
