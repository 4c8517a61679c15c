//! Memory of connections that are idle, and of those that have used compression.

use std::thread;
use std::time::Duration;

use fullduplex_bench::setup::Deflate;

use super::{Bench, Case};
use crate::Result;
use crate::client_process;
use crate::load::{self, Traffic};
use crate::report::{Row, Table, column};
use crate::server::{Kernel, MEASURED};

/// The number of connections that are not counted, as a server needs extra memory for the first
/// ones.
const FIRST: usize = 16;

/// Measures the memory after the upgrade, and after one echo of 1 KiB.
pub(super) fn run(case: &Case, bench: &Bench) -> Result<Table> {
    let connections = bench.options.idle;
    let traffic = Traffic::new(1 << 10, false, Deflate::Off);
    let rows = case.each(bench, |peer| {
        let (server, target) = bench.start(peer, Deflate::Off, false, false)?;
        let first = load::one_by_one(&target, &traffic, FIRST, 3)?;
        settle();
        let (before, kernel) = (server.process.memory(), Kernel::now());
        let each = |bytes: u64| bytes as f64 / connections as f64;
        let mut crowd = load::Crowd::new()?;
        crowd.open(&target, connections)?;
        settle();
        let upgraded = server.process.memory().saturating_sub(before);
        crowd.echo_all(&traffic, Duration::from_secs(30))?;
        settle();
        let echoed = server.process.memory().saturating_sub(before);
        let kernel = Kernel::now().since(kernel);
        drop((first, crowd));
        Ok(vec![each(upgraded), each(echoed), each(kernel.slab), each(kernel.buffers)])
    });
    let columns = vec![
        column("B after the upgrade", 0),
        column("B after an echo", 0),
        column("kernel, both ends: slab B", 0),
        column("buffers B", 0),
    ];
    let what = format!("{}, {connections} of them", case.what);
    Ok(Table { name: case.name, what, columns, rows })
}

/// Measures the memory of clients, which open one connection after the other.
pub(super) fn clients(case: &Case, bench: &Bench) -> Result<Table> {
    let connections = bench.options.idle;
    let (server, _target) = bench.start_opposite(Deflate::Off)?;
    let rows = case.each(bench, |peer| {
        let (address, count) = (server.address.to_string(), connections.to_string());
        let words = ["--server", &address, "--connections", &count, "--size", "1024"];
        let (program, words) = peer.command(&bench.paths, &words);
        let mut memory = Vec::new();
        client_process::run(&program, &words, MEASURED, bench.options.times, |client| {
            settle();
            memory.push(client.memory());
        })?;
        let [before, opened, echoed] = memory[..] else { return Err("it said too little".into()) };
        let each = |now: u64| now.saturating_sub(before) as f64 / connections as f64;
        Ok(vec![each(opened), each(echoed)])
    });
    let columns = vec![column("B after the upgrade", 0), column("B after an echo", 0)];
    let what = format!("{}, {connections} of them", case.what);
    Ok(Table { name: case.name, what, columns, rows })
}

/// Measures the memory by the mode of compression and the number of messages.
pub(super) fn histories(case: &Case, bench: &Bench) -> Result<Table> {
    const CONNECTIONS: usize = 500;
    const MODES: [Deflate; 4] =
        [Deflate::Off, Deflate::Shared, Deflate::Balanced, Deflate::Dedicated];
    let mut rows = Vec::new();
    for mode in MODES {
        for mut row in case.each(bench, |peer| {
            let traffic = Traffic::new(1 << 10, true, mode);
            let mut cells = Vec::new();
            for messages in [1, 40] {
                // A new server each time, as the memory of closed connections is reused.
                let (server, target) = bench.start(peer, mode, false, false)?;
                let _first = load::one_by_one(&target, &traffic, 4, 40)?;
                let before = server.process.memory();
                let _open = load::one_by_one(&target, &traffic, CONNECTIONS, messages)?;
                let grown = server.process.memory().saturating_sub(before);
                cells.push(grown as f64 / CONNECTIONS as f64);
            }
            Ok(cells)
        }) {
            row.server = format!("{}, {}", row.server, mode.name());
            // Other libraries have no such mode.
            if mode != Deflate::Balanced || row.server.starts_with("fullduplex") {
                rows.push(row);
            }
        }
    }
    rows.sort_by_key(|row: &Row| row.server.split(',').next().map(str::to_owned));
    let columns = vec![column("B after 1", 0), column("B after 40", 0)];
    Ok(Table { name: case.name, what: case.what.to_owned(), columns, rows })
}

fn settle() {
    thread::sleep(Duration::from_millis(300));
}
