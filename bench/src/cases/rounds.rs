//! The CPU time of a server or a client for each message, handshake or delivery. In each round they
//! take turns, so that other load on the machine affects all alike, and they are compared within a
//! round.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use fullduplex_bench::setup::Deflate;

use super::{Bench, Case, Kind, Shape};
use crate::Result;
use crate::client_process;
use crate::figures::Rounds;
use crate::load::{self, Run, Target, Times, Traffic};
use crate::peers::{Can, MULTIPLEXED_LOAD, Peer};
use crate::report::{HELD_UP, RATIO, Row, Table, column};
use crate::server::{LOAD, MEASURED, Process, Server};
use crate::syscalls::{Calls, Counter};

struct Contender<'a> {
    peer: &'a Peer,
    /// The command of the client that is measured, or that is the load.
    client: Option<(PathBuf, Vec<String>)>,
    /// The server: itself, or the one that the client calls.
    running: Result<(Server, Target), String>,
    traffic: Traffic,
    micros: Rounds,
    rate: Rounds,
    held_up: Rounds,
    reply: f64,
}

pub(super) fn run(case: &Case, bench: &Bench) -> Result<Table> {
    let peers = bench.peers.iter().filter(|peer| case.suits(peer));
    let mut contenders: Vec<_> = peers.map(|peer| contender(case, bench, peer)).collect();
    for round in 0..bench.options.rounds {
        // Each one is first in some round.
        let count = contenders.len().max(1);
        for i in 0..count {
            if let Some(contender) = contenders.get_mut((round + i) % count) {
                contender.round(case.kind, bench.options.times);
            }
        }
    }
    let calls: Vec<_> = contenders
        .iter()
        .map(|contender| bench.options.syscalls.then(|| contender.syscalls(case.kind)).flatten())
        .collect();
    Ok(table(case, &contenders, &calls))
}

fn contender<'a>(case: &Case, bench: &Bench, peer: &'a Peer) -> Contender<'a> {
    let (traffic, deflate, tls, room) = match case.kind {
        Kind::Echo(shape) => {
            let traffic = Traffic::new(shape.size, shape.text, shape.deflate);
            (traffic, shape.deflate, shape.tls, false)
        }
        Kind::Room { size, .. } => {
            (Traffic::new(size, false, Deflate::Off), Deflate::Off, false, true)
        }
        _ => (Traffic::new(64, false, Deflate::Off), Deflate::Off, false, false),
    };
    let traffic = if peer.can(Can::Raw) { traffic.raw() } else { traffic };
    if let Kind::Multiplexed(shape, version) = case.kind {
        return multiplexed(bench, peer, shape, version);
    }
    let asked = match case.kind {
        Kind::ClientEcho(shape) => Some(shape),
        _ => None,
    };
    let calls = asked.is_some() || matches!(case.kind, Kind::ClientHandshakes { .. });
    let running = match calls {
        true => bench.start_opposite(asked.map_or(deflate, |shape| shape.deflate)),
        false => bench.start(peer, deflate, tls, room),
    };
    let running = running.map_err(|why| why.to_string());
    let client = running.as_ref().ok().filter(|_| calls).map(|(server, _)| {
        let (program, mut words) = peer.command(&bench.paths, &[]);
        words.extend(["--server".to_owned(), server.address.to_string()]);
        words.extend(asked.iter().flat_map(|shape| shape.words()));
        if let Kind::ClientHandshakes { abort: true } = case.kind {
            words.push("--abort".to_owned());
        }
        (program, words)
    });
    let (micros, rate, held_up) = Default::default();
    Contender { peer, client, running, traffic, micros, rate, held_up, reply: f64::NAN }
}

/// A server on HTTP/2 or HTTP/3: its load is our client, in a process of its own.
fn multiplexed<'a>(bench: &Bench, peer: &'a Peer, shape: Shape, version: u8) -> Contender<'a> {
    let running = bench.start_multiplexed(peer, version).map_err(|why| why.to_string());
    let client = running.as_ref().ok().map(|(server, _)| {
        let mut words = vec!["--server".to_owned(), server.address.to_string()];
        words.extend(["--tls".to_owned(), bench.paths.tls.display().to_string()]);
        words.extend(["--http".to_owned(), version.to_string()]);
        words.extend(shape.words());
        (bench.paths.binary(MULTIPLEXED_LOAD), words)
    });
    let traffic = Traffic::new(64, false, Deflate::Off);
    let (micros, rate, held_up) = Default::default();
    Contender { peer, client, running, traffic, micros, rate, held_up, reply: f64::NAN }
}

impl Contender<'_> {
    fn load(&self, kind: Kind, times: Times, mark: impl FnMut(&Process)) -> io::Result<Run> {
        let (server, target) =
            self.running.as_ref().map_err(|why| io::Error::other(why.clone()))?;
        let mut mark = mark;
        if let Some((program, words)) = &self.client {
            return match kind {
                Kind::Multiplexed(..) => {
                    client_process::run(program, words, LOAD, times, |_| mark(&server.process))
                }
                _ => client_process::run(program, words, MEASURED, times, mark),
            };
        }
        let mark = || mark(&server.process);
        match kind {
            Kind::Echo(shape) => {
                let how = (shape.connections, shape.in_flight);
                load::closed_loop(target, &self.traffic, how, times, mark)
            }
            Kind::Room { members, in_flight, .. } => {
                load::room(target, &self.traffic, (members, in_flight), times, mark)
            }
            _ => load::handshakes(target, load::CONCURRENT_HANDSHAKES, times, mark),
        }
    }

    fn round(&mut self, kind: Kind, times: Times) {
        let mut cpu = Vec::new();
        match self.load(kind, times, |process| cpu.push(process.cpu())) {
            Ok(run) => {
                let used = cpu[1] - cpu[0];
                let messages = run.messages as f64;
                self.micros.0.push(used.used as f64 / 1000.0 / messages);
                self.rate.0.push(messages / run.seconds);
                self.held_up.0.push(used.held_up() * 100.0);
                if run.payload > 0 {
                    self.reply = run.payload as f64 / messages;
                }
            }
            Err(why) => {
                // Ratios need the same rounds of all.
                if self.running.is_ok() {
                    self.running = Err(why.to_string());
                }
            }
        }
    }

    fn syscalls(&self, kind: Kind) -> Option<Calls> {
        let times =
            Times { warm_up: Duration::from_millis(200), measured: Duration::from_millis(300) };
        let mut counter = None;
        let mut calls = None;
        // From the first mark to the second. While perf starts, the load waits, and the
        // server soon does too.
        let run = self.load(kind, times, |process| match counter.take() {
            None => counter = Counter::start(process.pid()).ok(),
            Some(running) => calls = Some(running),
        });
        let messages = run.ok()?.messages;
        calls?.stop(messages)
    }
}

fn table(case: &Case, contenders: &[Contender<'_>], calls: &[Option<Calls>]) -> Table {
    let columns = vec![
        column("µs", 3),
        column("least µs", 3),
        column("spread %", 0),
        column(RATIO, 3),
        column("a second", 0),
        column("B a reply", 0),
        column(HELD_UP, 1),
        column("syscalls", 3),
        column("reads", 3),
        column("writes", 3),
        column("waits", 3),
    ];
    let base = contenders.first().map(|first| first.micros.clone()).unwrap_or_default();
    let rows = contenders.iter().zip(calls).map(|(contender, calls)| {
        let cells = contender.running.as_ref().map_err(Clone::clone).map(|_| {
            let calls = calls.unwrap_or(Calls {
                all: f64::NAN,
                reads: f64::NAN,
                writes: f64::NAN,
                waits: f64::NAN,
            });
            let micros = &contender.micros;
            let mut cells = vec![micros.median(), micros.least(), micros.spread() * 100.0];
            cells.extend([micros.over(&base).median(), contender.rate.median(), contender.reply]);
            cells.push(contender.held_up.median());
            cells.extend([calls.all, calls.reads, calls.writes, calls.waits]);
            cells
        });
        Row { server: contender.peer.name.clone(), cells }
    });
    Table { name: case.name, what: case.what.to_owned(), columns, rows: rows.collect() }
}
