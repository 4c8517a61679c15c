//! Very many connections: to open them, to let them be, to ping them, to tell all of them
//! something.

use std::time::{Duration, Instant};

use fullduplex_bench::setup::Deflate;

use super::{Bench, Case};
use crate::Result;
use crate::load::{Crowd, Traffic};
use crate::report::{Table, column};
use crate::server::{Kernel, Server, available_memory, open_files, own_memory};

/// What one connection takes at most, with both ends and the kernel, by experience; more
/// are not opened than memory has room for.
const A_CONNECTION: u64 = 24 << 10;
/// Files that a server and the load need beside connections.
const OTHER_FILES: u64 = 100;
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn run(case: &Case, bench: &Bench) -> Result<Table> {
    let asked = bench.options.connections;
    let room = usize::try_from(available_memory() / A_CONNECTION)?;
    let files = usize::try_from(open_files().saturating_sub(OTHER_FILES))?;
    let connections = asked.min(room).min(files);
    if connections < asked {
        println!(
            "s: {connections} connections: memory has room for {room}, open files for {files}"
        );
    }
    let traffic = Traffic::new(64, false, Deflate::Off);
    let rows = case.each(bench, |peer| {
        let (server, target) = bench.start(peer, Deflate::Off, false, true)?;
        let mut crowd = Crowd::new()?;
        let before = (server.memory(), own_memory(), Kernel::now());
        let opened = clock(&server, || Ok(crowd.open(&target, connections)?))?;
        // Long enough that a server that pings idle connections has pinged each of them.
        let silent = bench.options.silence;
        let pings = crowd.pings;
        let idle = clock(&server, || Ok(crowd.attend(silent)?))?;
        let pings = crowd.pings - pings;
        let each = |bytes: u64| bytes as f64 / connections as f64;
        let kernel = Kernel::now().since(before.2);
        let memory = [
            each(server.memory().saturating_sub(before.0)),
            each(own_memory().saturating_sub(before.1)),
            each(kernel.slab),
            each(kernel.buffers),
        ];
        let asked = clock(&server, || Ok(crowd.ping_all(PATIENCE)?))?;
        let told = clock(&server, || Ok(crowd.broadcast(&traffic, PATIENCE)?))?;
        let mut cells = vec![crowd.len() as f64];
        cells.extend(memory);
        cells.extend(opened);
        cells.extend([pings as f64, idle[1]]);
        cells.extend(asked);
        cells.extend(told);
        Ok(cells)
    });
    let columns = vec![
        column("connections", 0),
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
    Ok(Table { name: case.name, what: case.what.to_owned(), columns, rows })
}

/// How long something takes, and the server's CPU meanwhile, in seconds.
fn clock(server: &Server, work: impl FnOnce() -> Result<()>) -> Result<[f64; 2]> {
    let (start, cpu) = (Instant::now(), server.cpu());
    work()?;
    Ok([start.elapsed().as_secs_f64(), (server.cpu() - cpu).used as f64 / 1e9])
}
