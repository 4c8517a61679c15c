//! The cases: kinds of traffic, and the measurements of each.

mod idle;
mod latency;
mod rounds;
mod scale;

use fullduplex_bench::setup::Deflate;

use crate::Result;
use crate::load::{Target, target};
use crate::options::Options;
use crate::peers::{Can, Paths, Peer, opposite, words};
use crate::report::{Row, Table};
use crate::server::{LOAD, MEASURED, Server};

pub struct Case {
    pub name: &'static str,
    pub what: &'static str,
    pub kind: Kind,
}

#[derive(Clone, Copy)]
pub enum Kind {
    Echo(Shape),
    Handshakes,
    /// Echo traffic on HTTP/2 or HTTP/3, on one connection as far as the server allows.
    Multiplexed(Shape, u8),
    /// Echo traffic of which the client is measured.
    ClientEcho(Shape),
    /// With `abort`, the client sends no Close.
    ClientHandshakes {
        abort: bool,
    },
    Room {
        members: usize,
        in_flight: u64,
        size: usize,
    },
    Idle,
    ClientIdle,
    Histories,
    Latency {
        connections: usize,
        size: usize,
    },
    Scale,
}

/// Echo traffic.
#[derive(Clone, Copy)]
pub struct Shape {
    connections: usize,
    in_flight: u64,
    size: usize,
    text: bool,
    deflate: Deflate,
    tls: bool,
}

const fn echo((connections, in_flight): (usize, u64), size: usize) -> Shape {
    Shape { connections, in_flight, size, text: false, deflate: Deflate::Off, tls: false }
}

const A: Shape = echo((64, 1), 64);
const B: Shape = echo((64, 16), 64);
const C: Shape = echo((32, 1), 16 << 10);
const D: Shape = echo((8, 1), 1 << 20);
const D256: Shape = echo((16, 1), 256 << 10);
const D8: Shape = echo((2, 1), 8 << 20);
const T: Shape = Shape { text: true, ..C };
const H: Shape = Shape { text: true, deflate: Deflate::Shared, ..echo((32, 1), 1 << 10) };
const HC: Shape = Shape { deflate: Deflate::Dedicated, ..H };

const fn case(name: &'static str, what: &'static str, kind: Kind) -> Case {
    Case { name, what, kind }
}

const fn tls(shape: Shape) -> Kind {
    Kind::Echo(Shape { tls: true, ..shape })
}

/// All cases, in the order in which they run.
pub const CASES: [Case; 37] = [
    case("a", "64 B, 64 connections, 1 in flight", Kind::Echo(A)),
    case("b", "64 B, 64 connections, 16 in flight", Kind::Echo(B)),
    case("c", "16 KiB, 32 connections", Kind::Echo(C)),
    case("d", "1 MiB, 8 connections", Kind::Echo(D)),
    case("d256", "256 KiB, 16 connections", Kind::Echo(D256)),
    case("d8", "8 MiB, 2 connections", Kind::Echo(D8)),
    case("t", "16 KiB of text in several scripts, 32 connections", Kind::Echo(T)),
    case("ta", "case a over TLS 1.3", tls(A)),
    case("tb", "case b over TLS 1.3", tls(B)),
    case("tc", "case c over TLS 1.3", tls(C)),
    case("td", "case d over TLS 1.3", tls(D)),
    case("a2", "case a over HTTP/2 and TLS 1.3", Kind::Multiplexed(A, 2)),
    case("b2", "case b over HTTP/2 and TLS 1.3", Kind::Multiplexed(B, 2)),
    case("c2", "case c over HTTP/2 and TLS 1.3", Kind::Multiplexed(C, 2)),
    case("d2", "case d over HTTP/2 and TLS 1.3", Kind::Multiplexed(D, 2)),
    case("a3", "case a over HTTP/3", Kind::Multiplexed(A, 3)),
    case("b3", "case b over HTTP/3", Kind::Multiplexed(B, 3)),
    case("c3", "case c over HTTP/3", Kind::Multiplexed(C, 3)),
    case("d3", "case d over HTTP/3", Kind::Multiplexed(D, 3)),
    case("e", "connect, upgrade, reset", Kind::Handshakes),
    case("g8", "64 B to 1,000 members, 8 in flight; a delivery", G8),
    case("h", "1 KiB of JSON, deflate, no context takeover", Kind::Echo(H)),
    case("hc", "1 KiB of JSON, deflate, context takeover", Kind::Echo(HC)),
    case("l", "latency at 70% of saturation, 64 B, 64 connections, open loop", L),
    case("f", "memory of an idle connection", Kind::Idle),
    case(
        "m",
        "memory of a connection after messages of 1 KiB each way, by deflate",
        Kind::Histories,
    ),
    case("s", "very many idle connections", Kind::Scale),
    case("ka", "the client of case a", Kind::ClientEcho(A)),
    case("kb", "the client of case b", Kind::ClientEcho(B)),
    case("kc", "the client of case c", Kind::ClientEcho(C)),
    case("kd", "the client of case d", Kind::ClientEcho(D)),
    case("kt", "the client of case t", Kind::ClientEcho(T)),
    case("ke", "the client of case e", Kind::ClientHandshakes { abort: false }),
    case("kea", "case ke without a Close", Kind::ClientHandshakes { abort: true }),
    case("kf", "the client of case f", Kind::ClientIdle),
    case("kh", "the client of case h", Kind::ClientEcho(H)),
    case("khc", "the client of case hc", Kind::ClientEcho(HC)),
];

const G8: Kind = Kind::Room { members: 1000, in_flight: 8, size: 64 };
const L: Kind = Kind::Latency { connections: 64, size: 64 };

/// The data that all cases need.
pub struct Bench {
    pub options: Options,
    pub paths: Paths,
    pub peers: Vec<Peer>,
}

impl Case {
    /// Whether a server takes part.
    pub fn suits(&self, peer: &Peer) -> bool {
        match self.kind {
            Kind::Echo(shape) if shape.tls => peer.can(Can::Tls),
            Kind::Echo(Shape { deflate: Deflate::Off, .. }) => {
                peer.can(Can::Echo) || peer.can(Can::Raw)
            }
            Kind::Echo(Shape { deflate: Deflate::Dedicated, .. }) => {
                peer.can(Can::Deflate) && peer.can(Can::Echo)
            }
            Kind::Echo(_) => peer.can(Can::Deflate),
            Kind::Multiplexed(_, version) => {
                peer.can(if version == 3 { Can::Http3 } else { Can::Http2 })
            }
            Kind::Histories => peer.can(Can::Deflate) && peer.can(Can::Echo),
            Kind::ClientIdle => peer.can(Can::Keep),
            Kind::ClientEcho(Shape { deflate: Deflate::Off, .. })
            | Kind::ClientHandshakes { .. } => peer.can(Can::Call),
            Kind::ClientEcho(_) => peer.can(Can::CallDeflate),
            Kind::Handshakes | Kind::Idle | Kind::Latency { .. } => peer.can(Can::Echo),
            Kind::Room { .. } | Kind::Scale => peer.can(Can::Room),
        }
    }

    pub fn run(&self, bench: &Bench) -> Result<Table> {
        match self.kind {
            Kind::Echo(_)
            | Kind::Handshakes
            | Kind::Multiplexed(..)
            | Kind::ClientEcho(_)
            | Kind::ClientHandshakes { .. }
            | Kind::Room { .. } => rounds::run(self, bench),
            Kind::Idle => idle::run(self, bench),
            Kind::ClientIdle => idle::clients(self, bench),
            Kind::Histories => idle::histories(self, bench),
            Kind::Latency { connections, size } => latency::run(self, bench, connections, size),
            Kind::Scale => scale::run(self, bench),
        }
    }

    /// Returns a row for each server that takes part.
    fn each(&self, bench: &Bench, mut row: impl FnMut(&Peer) -> Result<Vec<f64>>) -> Vec<Row> {
        let peers = bench.peers.iter().filter(|peer| self.suits(peer));
        let rows = peers.map(|peer| {
            let cells = row(peer).map_err(|why| why.to_string());
            Row { server: peer.name.clone(), cells }
        });
        rows.collect()
    }
}

impl Bench {
    /// Starts a server, and returns how to connect to it.
    fn start(
        &self,
        peer: &Peer,
        deflate: Deflate,
        tls: bool,
        room: bool,
    ) -> Result<(Server, Target)> {
        let folder = self.paths.tls.display().to_string();
        let words = words(deflate, tls.then_some(&folder), room);
        let (program, args) = peer.command(&self.paths, &words);
        let server = Server::start(&program, &args, MEASURED)?;
        let config = if tls { Some(target::client_config(&self.paths.tls)?) } else { None };
        let target =
            Target { address: server.address, deflate, tls: config, raw: peer.can(Can::Raw) };
        Ok((server, target))
    }

    /// Starts a server on HTTP/2 or HTTP/3, and returns how to connect to it.
    fn start_multiplexed(&self, peer: &Peer, version: u8) -> Result<(Server, Target)> {
        let (folder, version) = (self.paths.tls.display().to_string(), version.to_string());
        let (program, args) = peer.command(&self.paths, &["--tls", &folder, "--http", &version]);
        let server = Server::start(&program, &args, MEASURED)?;
        let target =
            Target { address: server.address, deflate: Deflate::Off, tls: None, raw: false };
        Ok((server, target))
    }

    /// Starts the server that clients are measured with, on the core of the load.
    fn start_opposite(&self, deflate: Deflate) -> Result<(Server, Target)> {
        let mut args: Vec<String> =
            words(deflate, None, false).into_iter().map(str::to_owned).collect();
        args.push("--reset".to_owned());
        let server = Server::start(&self.paths.binary(opposite(deflate)), &args, LOAD)?;
        let target = Target { address: server.address, deflate, tls: None, raw: false };
        Ok((server, target))
    }
}

impl Shape {
    /// Returns the arguments for a client.
    fn words(self) -> Vec<String> {
        let mut all = vec!["--connections".to_owned(), self.connections.to_string()];
        all.extend(["--in-flight".to_owned(), self.in_flight.to_string()]);
        all.extend(["--size".to_owned(), self.size.to_string()]);
        all.extend(self.text.then(|| "--text".to_owned()));
        all.extend(words(self.deflate, None, false).into_iter().map(str::to_owned));
        all
    }
}
