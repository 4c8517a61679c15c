//! Times of the works.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use crate::allocator::MADE;
use crate::works;

/// The number of samples; the least counts.
const SAMPLES: usize = 15;
/// The duration of a sample, in nanoseconds.
const SAMPLE: f64 = 3e6;

pub fn report() {
    println!("| work | ns | GB/s | allocations |");
    println!("|---|---:|---:|---:|");
    for work in works::all() {
        let mut run = (work.make)();
        run();
        let once = least(1, &mut run);
        let calls = ((SAMPLE / once.max(1.0)) as usize).clamp(1, 1_000_000);
        let nanos = least(calls, &mut run) / work.times as f64;
        let before = MADE.load(Relaxed);
        (0..10).for_each(|_| run());
        let made = (MADE.load(Relaxed) - before) as f64 / 10.0 / work.times as f64;
        let speed = work.bytes as f64 / nanos;
        println!("| {} | {nanos:.1} | {speed:.2} | {made:.2} |", work.name);
    }
}

/// Returns the least time of a call in nanoseconds.
pub fn least(calls: usize, mut call: impl FnMut()) -> f64 {
    let mut least = f64::MAX;
    for _ in 0..SAMPLES {
        let start = Instant::now();
        (0..calls).for_each(|_| call());
        least = least.min(start.elapsed().as_nanos() as f64 / calls as f64);
    }
    least
}
