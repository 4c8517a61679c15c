//! The part of a run that counts.

use std::io;
use std::time::{Duration, Instant};

use super::{Counts, Run, Times, wrong};

/// How much longer than requested a run may take until there are enough messages.
const PATIENCE: Duration = Duration::from_secs(10);

/// The warm-up and the measured part of a run. Each continues until there were some messages,
/// however little the machine lets the server and the load run.
pub struct Window<M> {
    times: Times,
    /// The minimum number of messages.
    least: u64,
    begun: Instant,
    start: Counts,
    warm: bool,
    mark: M,
}

impl<M: FnMut()> Window<M> {
    pub fn new(times: Times, least: u64, mark: M) -> Self {
        Self { times, least, begun: Instant::now(), start: Counts::default(), warm: false, mark }
    }

    /// Updates the counts, and returns the result once the run is over; to be called often. `mark`
    /// is called at the start of the measured part and at its end.
    pub fn tick(&mut self, counts: Counts) -> io::Result<Option<Run>> {
        let asked = if self.warm { self.times.measured } else { self.times.warm_up };
        let elapsed = self.begun.elapsed();
        if elapsed < asked {
            return Ok(None);
        }
        let Counts { messages, payload } = counts - self.start;
        if messages < self.least {
            let late = elapsed > asked + PATIENCE;
            return if late { Err(wrong("hardly any message came back")) } else { Ok(None) };
        }
        (self.mark)();
        if self.warm {
            return Ok(Some(Run { messages, payload, seconds: elapsed.as_secs_f64() }));
        }
        (self.warm, self.start, self.begun) = (true, counts, Instant::now());
        Ok(None)
    }
}
