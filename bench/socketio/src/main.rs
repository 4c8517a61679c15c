//! What Socket.IO costs: ours, socketioxide and socket.io, side by side.
//!
//! `[CASE…] [--only SERVER] [--rounds N] [--modules FOLDER]`: the cases are `idle`, `room1`,
//! `room8`, `echo1`, `echo16` and `slow`, and the folder is the one in which npm installed
//! socket.io.
#![allow(clippy::print_stdout, clippy::print_stderr)] // a program that prints

mod client;
#[allow(dead_code, reason = "the other benchmark uses more of it")]
#[path = "../../src/server.rs"]
mod server;
mod slow;
mod traffic;

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use client::Client;
use server::{MEASURED, Server, prepare};

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

const SERVERS: [&str; 3] = ["fullduplex", "socketioxide", "socket.io"];
const CASES: [&str; 6] = ["idle", "room1", "room8", "echo1", "echo16", "slow"];

/// The connections whose memory is measured.
const IDLE: usize = 5000;

struct Options {
    cases: Vec<String>,
    only: Vec<String>,
    rounds: usize,
    modules: Option<PathBuf>,
}

impl Options {
    fn from_args() -> Result<Self> {
        let mut options = Self { cases: Vec::new(), only: Vec::new(), rounds: 3, modules: None };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value"));
            match arg.as_str() {
                "--only" => options.only.push(value()?),
                "--rounds" => options.rounds = value()?.parse()?,
                "--modules" => options.modules = Some(std::path::absolute(value()?)?),
                case if CASES.contains(&case) => options.cases.push(arg),
                other => return Err(format!("{other} is not a case: {CASES:?}").into()),
            }
        }
        if options.cases.is_empty() {
            options.cases = CASES.map(str::to_owned).into();
        }
        Ok(options)
    }

    fn servers(&self) -> Vec<&'static str> {
        let is_wanted = |server: &&str| {
            let named = self.only.iter().any(|only| only == server);
            (self.only.is_empty() || named) && (*server != "socket.io" || self.modules.is_some())
        };
        SERVERS.into_iter().filter(is_wanted).collect()
    }

    /// Starts a server on its own core.
    fn start(&self, name: &str, words: &[&str]) -> Result<Server> {
        let mut args: Vec<String> = words.iter().map(ToString::to_string).collect();
        let own = std::env::current_exe()?;
        let program = match (name, &self.modules) {
            ("socket.io", Some(modules)) => {
                let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../peers/socketio.mjs");
                let modules = modules.display().to_string();
                args = vec![script.to_owned(), "--modules".to_owned(), modules];
                PathBuf::from("node")
            }
            _ => own.with_file_name(format!("socketio-{name}")),
        };
        Ok(Server::start(&program, &args, MEASURED)?)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Options::from_args()?;
    prepare()?;
    for case in &options.cases {
        match case.as_str() {
            "idle" => idle(&options).await?,
            "room1" => room(&options, 1).await?,
            "room8" => room(&options, 8).await?,
            "echo1" => echo(&options, 1).await?,
            "echo16" => echo(&options, 16).await?,
            _ => slow::run(&options).await?,
        }
    }
    Ok(())
}

/// The memory of an idle connection that is in one room.
async fn idle(options: &Options) -> Result<()> {
    println!("\nidle: memory of an idle connection in one room, {IDLE} connections");
    for name in options.servers() {
        let server = options.start(name, &[])?;
        let mut clients = Vec::new();
        // The first ones warm up what all share.
        connect(&mut clients, &server, 500).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before = server.process.memory();
        connect(&mut clients, &server, IDLE).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let memory = server.process.memory().saturating_sub(before);
        println!("{name:14} {:8} B", memory / IDLE as u64);
    }
    Ok(())
}

async fn connect(clients: &mut Vec<Client>, server: &Server, count: usize) -> Result<()> {
    for _ in 0..count {
        clients.push(Client::connect(server.address).await?);
    }
    Ok(())
}

async fn room(options: &Options, in_flight: u64) -> Result<()> {
    println!("\nroom{in_flight}: CPU of a delivery to a room of 1,000, {in_flight} in flight");
    compare(options, async |server| traffic::room(server, 1000, in_flight).await).await
}

async fn echo(options: &Options, in_flight: u64) -> Result<()> {
    println!("\necho{in_flight}: CPU of an echo with ack, 64 connections, {in_flight} in flight");
    compare(options, async |server| traffic::echo(server, 64, in_flight).await).await
}

/// Measures all servers in turns, and prints the median of each.
async fn compare(
    options: &Options,
    measure: impl AsyncFn(&Server) -> Result<traffic::Figures>,
) -> Result<()> {
    let names = options.servers();
    let mut figures = vec![Vec::new(); names.len()];
    for round in 0..options.rounds {
        for turn in 0..names.len() {
            let index = (round + turn) % names.len();
            let server = options.start(names[index], &[])?;
            figures[index].push(measure(&server).await?);
        }
    }
    println!(
        "{:14} {:>10} {:>10} {:>8} {:>9} {:>10}",
        "", "µs", "least µs", "ratio", "held up", "a second"
    );
    let median = |numbers: &mut Vec<f64>| {
        numbers.sort_by(f64::total_cmp);
        numbers[numbers.len() / 2]
    };
    for (name, rounds) in names.iter().zip(&figures) {
        let mut cpu: Vec<f64> = rounds.iter().map(|round| round.cpu).collect();
        let mut ratios: Vec<f64> =
            rounds.iter().zip(&figures[0]).map(|(round, first)| round.cpu / first.cpu).collect();
        let held_up = rounds.iter().map(|round| round.held_up).fold(0.0, f64::max);
        let mut rates: Vec<f64> = rounds.iter().map(|round| round.rate).collect();
        println!(
            "{name:14} {:10.3} {:10.3} {:8.2} {:8.0}% {:10.0}",
            median(&mut cpu),
            cpu[0],
            median(&mut ratios),
            held_up * 100.0,
            median(&mut rates)
        );
    }
    Ok(())
}
