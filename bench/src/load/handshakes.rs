//! Connect, upgrade, reset, over and over.

use std::io::{self, Write};

use super::target::Target;
use super::window::Window;
use super::{Counts, Run, Times};

/// Opens connections in groups of this size, and drops them, which resets them; counts
/// handshakes.
pub fn handshakes(
    target: &Target,
    at_once: usize,
    times: Times,
    mark: impl FnMut(),
) -> io::Result<Run> {
    let request = target.request();
    let mut counts = Counts::default();
    let mut window = Window::new(times, at_once as u64, mark);
    loop {
        if let Some(run) = window.tick(counts)? {
            return Ok(run);
        }
        let streams: io::Result<Vec<_>> = (0..at_once).map(|_| target.connect(None)).collect();
        let mut streams = streams?;
        for stream in &mut streams {
            stream.write_all(request.as_bytes())?;
        }
        for mut stream in streams {
            target.read_response(&mut stream)?;
            counts.messages += 1;
        }
    }
}
