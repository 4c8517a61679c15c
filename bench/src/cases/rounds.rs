//! CPU of a server for each message, handshake or delivery. Servers take turns in each
//! round, so that what else the machine does meets them all alike, and are compared
//! within a round.

use std::io;
use std::time::Duration;

use fullduplex_bench::setup::Deflate;

use super::{Bench, Case, Kind};
use crate::Result;
use crate::figures::Rounds;
use crate::load::{self, Run, Target, Times, Traffic};
use crate::peers::{Can, Peer};
use crate::report::{Row, Table, column};
use crate::server::Server;
use crate::syscalls::{Calls, Counter};

/// Connections that are opened at once in case e.
const AT_ONCE: usize = 32;

struct Contender<'a> {
    peer: &'a Peer,
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
        // Each begins a round in turn.
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
    let running = bench.start(peer, deflate, tls, room).map_err(|why| why.to_string());
    let (micros, rate, held_up) = Default::default();
    Contender { peer, running, traffic, micros, rate, held_up, reply: 0.0 }
}

impl Contender<'_> {
    fn load(&self, kind: Kind, times: Times, mark: impl FnMut(&Server)) -> io::Result<Run> {
        let (server, target) =
            self.running.as_ref().map_err(|why| io::Error::other(why.clone()))?;
        let mut mark = mark;
        let mark = || mark(server);
        match kind {
            Kind::Echo(shape) => {
                let how = (shape.connections, shape.in_flight);
                load::closed_loop(target, &self.traffic, how, times, mark)
            }
            Kind::Room { members, in_flight, .. } => {
                load::room(target, &self.traffic, (members, in_flight), times, mark)
            }
            _ => load::handshakes(target, AT_ONCE, times, mark),
        }
    }

    fn round(&mut self, kind: Kind, times: Times) {
        let mut cpu = Vec::new();
        match self.load(kind, times, |server| cpu.push(server.cpu())) {
            Ok(run) => {
                let used = cpu[1] - cpu[0];
                let messages = run.messages as f64;
                self.micros.0.push(used.used as f64 / 1000.0 / messages);
                self.rate.0.push(messages / run.seconds);
                self.held_up.0.push(used.held_up() * 100.0);
                self.reply = run.payload as f64 / messages;
            }
            Err(why) => {
                // Ratios need the rounds of all to stand side by side.
                if self.running.is_ok() {
                    self.running = Err(why.to_string());
                }
            }
        }
    }

    fn syscalls(&self, kind: Kind) -> Option<Calls> {
        let times =
            Times { warm_up: Duration::from_millis(200), measured: Duration::from_millis(300) };
        let (server, _) = self.running.as_ref().ok()?;
        let mut counter = None;
        let mut calls = None;
        // From the first mark to the second. While perf starts, the load waits, and the
        // server soon does too.
        let run = self.load(kind, times, |_| match counter.take() {
            None => counter = Counter::start(server.pid()).ok(),
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
        column("ratio", 3),
        column("a second", 0),
        column("B a reply", 0),
        column("held up %", 1),
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
