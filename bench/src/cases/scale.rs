//! Very many connections: opening them, keeping them idle, pinging them, and broadcasting to them.
//!
//! One process may not be able to open enough files for them, so there are several servers, with a
//! load for each.

use std::time::Instant;

use fullduplex_bench::setup::Deflate;

use super::{Bench, Case};
use crate::Result;
use crate::load::PER_SOURCE;
use crate::loads::{self, Load};
use crate::report::{Table, column};
use crate::server::{self, Kernel, Server};

/// The most memory that one connection takes, with both ends and the kernel, by experience. No more
/// connections are opened than fit in memory.
const MEMORY_PER_CONNECTION: u64 = 24 << 10;
/// The number of files that a server or a load needs besides connections.
const OTHER_FILES: u64 = 100;

pub(super) fn run(case: &Case, bench: &Bench) -> Result<Table> {
    let processes = Processes::plan(bench.options.connections)?;
    println!("s: {}", processes.limited_by);
    let rows = case.each(bench, |peer| {
        let (mut servers, mut loads) = (Vec::new(), Vec::new());
        for i in 0..processes.count {
            let (server, target) = bench.start(peer, Deflate::Off, false, true)?;
            let source = i * processes.each.next_multiple_of(PER_SOURCE);
            let connections = processes.each.min(processes.connections - i * processes.each);
            loads.push(Load::start(target.address, source, connections)?);
            servers.push(server);
        }
        // All have started when they have answered.
        loads::command_all(&mut loads, "count")?;
        measure(&servers, &mut loads, bench)
    });
    let columns = vec![
        column("connections", 0),
        column("server processes", 0),
        column("server B each", 0),
        column("load B each", 0),
        column("kernel slab B each", 0),
        column("kernel buffers B each", 0),
        column("opening s", 2),
        column("its CPU s", 2),
        column("keepalive pings", 0),
        column("CPU while silent s", 2),
        column("ping and pong s", 2),
        column("its CPU s ", 2),
        column("broadcast s", 2),
        column("its CPU s  ", 2),
    ];
    Ok(Table { name: case.name, what: case.what.into(), columns, rows })
}

/// The number of servers, and of connections to each; the last one has the rest.
struct Processes {
    connections: usize,
    count: usize,
    each: usize,
    /// A description of what limits the number of connections.
    limited_by: String,
}

impl Processes {
    fn plan(asked: usize) -> Result<Self> {
        let memory = usize::try_from(server::available_memory() / MEMORY_PER_CONNECTION)?;
        // Each connection is a file at both ends.
        let files = usize::try_from(server::files_of_all() / 2)?;
        let most = usize::try_from(server::open_files().saturating_sub(OTHER_FILES))?;
        let connections = asked.min(memory).min(files);
        let count = connections.div_ceil(most.max(1));
        let limited_by = format!(
            "{connections} connections of {asked} asked for; memory has room for {memory}, \
             the system's open files for {files}, those of one process for {most}"
        );
        Ok(Self { connections, count, each: connections.div_ceil(count.max(1)), limited_by })
    }
}

fn measure(servers: &[Server], loads: &mut [Load], bench: &Bench) -> Result<Vec<f64>> {
    let memory = |loads: &[Load]| -> (u64, u64) {
        (
            servers.iter().map(|server| server.process.memory()).sum(),
            loads.iter().map(|load| load.process.memory()).sum(),
        )
    };
    let (before, kernel) = (memory(loads), Kernel::now());
    let (opened, open) = clock(servers, || loads::command_all(loads, "open"))?;
    // Long enough that a server that pings idle connections has pinged each of them.
    let (kept, after) = clock(servers, || {
        std::thread::sleep(bench.options.silence);
        loads::command_all(loads, "count")
    })?;
    let (kernel, after_memory) = (Kernel::now().since(kernel), memory(loads));
    let each = |bytes: u64| bytes as f64 / open.connections as f64;
    let mut cells = vec![open.connections as f64, servers.len() as f64];
    cells.extend([
        each(after_memory.0.saturating_sub(before.0)),
        each(after_memory.1.saturating_sub(before.1)),
        each(kernel.slab),
        each(kernel.buffers),
    ]);
    cells.extend(opened);
    cells.extend([(after.pings - open.pings) as f64, kept[1]]);
    cells.extend(clock(servers, || loads::command_all(loads, "ping"))?.0);
    cells.extend(clock(servers, || loads::command_all(loads, "broadcast"))?.0);
    Ok(cells)
}

/// Measures how long `work` takes, and the servers' CPU time meanwhile, in seconds.
fn clock<T>(servers: &[Server], work: impl FnOnce() -> Result<T>) -> Result<([f64; 2], T)> {
    let cpu = || -> u64 { servers.iter().map(|server| server.process.cpu().used).sum() };
    let (start, before) = (Instant::now(), cpu());
    let done = work()?;
    Ok(([start.elapsed().as_secs_f64(), (cpu() - before) as f64 / 1e9], done))
}
