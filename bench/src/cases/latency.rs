//! Latency under a load that doesn't wait.

use std::io;

use fullduplex_bench::setup::Deflate;

use super::{Bench, Case};
use crate::Result;
use crate::figures::Rounds;
use crate::load::{self, Traffic};
use crate::report::{Table, column};

/// The share of a server's maximum rate that is requested.
const SHARE: f64 = 0.7;
/// The number of messages in flight on each connection while the maximum rate is measured: few, as
/// when messages come one by one.
const SATURATED: u64 = 1;

pub(super) fn run(case: &Case, bench: &Bench, connections: usize, size: usize) -> Result<Table> {
    let traffic = Traffic::new(size, false, Deflate::Off);
    let times = bench.options.times;
    let rows = case.each(bench, |peer| {
        let (server, target) = bench.start(peer, Deflate::Off, false, false)?;
        let mut cpu = Vec::new();
        let how = (connections, SATURATED);
        let run =
            load::closed_loop(&target, &traffic, how, times, || cpu.push(server.process.cpu()))?;
        let most = run.messages as f64 / run.seconds;
        let busy = (cpu[1] - cpu[0]).used as f64 / 1e9 / run.seconds;
        let rate = bench.options.rate.unwrap_or(most * SHARE);
        let open = || load::open_loop(&target, &traffic, connections, rate, times);
        let runs: io::Result<Vec<_>> = (0..bench.options.rounds).map(|_| open()).collect();
        let runs = runs?;
        let quantile = |share: f64| {
            let runs = runs.iter().map(|run| run.latency.quantile(share) as f64 / 1000.0);
            Rounds(runs.collect()).median()
        };
        let late = runs.iter().map(|run| run.late.quantile(0.99) as f64 / 1000.0);
        let late = Rounds(late.collect()).median();
        let samples: u64 = runs.iter().map(|run| run.latency.total()).sum();
        let mut cells = vec![most, busy * 100.0, rate];
        cells.extend([quantile(0.5), quantile(0.99), quantile(0.999), late, samples as f64]);
        Ok(cells)
    });
    let columns = vec![
        column("saturated, a second", 0),
        column("CPU then, %", 0),
        column("asked, a second", 0),
        column("p50 µs", 1),
        column("p99 µs", 1),
        column("p99.9 µs", 1),
        column("load late p99 µs", 1),
        column("messages", 0),
    ];
    Ok(Table { name: case.name, what: case.what.to_owned(), columns, rows })
}
