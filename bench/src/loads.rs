//! Loads in separate processes, each with a crowd of connections, as one process may not be able to
//! open enough files for all.
//!
//! A load answers pings until it receives a command, one a line: `open`, `count`, `ping` or
//! `broadcast`. Its answer is a line of counts, or the error.

use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::sync::mpsc::{self, TryRecvError};
use std::thread;
use std::time::Duration;

use fullduplex_bench::setup::Deflate;

use crate::Result;
use crate::load::{Crowd, Target, Traffic};
use crate::server::{LOAD, Process};

/// The first argument of a load.
pub const OPTION: &str = "--crowd";
/// The longest time for all pongs, or all deliveries.
const PATIENCE: Duration = Duration::from_secs(120);
/// The time for which a load serves its connections between checks for a command.
const TURN: Duration = Duration::from_millis(10);

/// A running load, as the harness sees it.
pub struct Load {
    pub process: Process,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// The counts of one load, or of all.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadCounts {
    pub connections: u64,
    /// The number of pings of the server that were answered.
    pub pings: u64,
}

impl Load {
    /// Starts a load that will open `connections` connections, from sources from `source` on.
    pub fn start(server: SocketAddr, source: usize, connections: usize) -> io::Result<Self> {
        let words = [OPTION.to_owned(), server.to_string(), source.to_string()];
        let words = [&words[..], &[connections.to_string()]].concat();
        let (mut process, stdout) =
            Process::start(&std::env::current_exe()?, &words, Stdio::piped(), LOAD)?;
        Ok(Self { commands: process.stdin()?, process, answers: BufReader::new(stdout) })
    }

    fn answer(&mut self) -> Result<LoadCounts> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let numbers: Option<Vec<u64>> =
            line.split_whitespace().map(|word| word.parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[connections, pings]) => Ok(LoadCounts { connections, pings }),
            _ => Err(format!("a load: {}", line.trim()).into()),
        }
    }
}

/// Sends all loads a command at once, and returns the sum of their answers.
pub fn command_all(loads: &mut [Load], word: &str) -> Result<LoadCounts> {
    for load in &mut *loads {
        if writeln!(load.commands, "{word}").is_err() {
            // It has ended, and printed the error.
            load.answer()?;
        }
    }
    let mut all = LoadCounts::default();
    for load in loads {
        let one = load.answer()?;
        all.connections += one.connections;
        all.pings += one.pings;
    }
    Ok(all)
}

/// Runs a load until the end of its input.
pub fn run(words: &[String]) -> Result<()> {
    let [server, source, connections] = words else {
        return Err("a load needs three words".into());
    };
    let target = Target { address: server.parse()?, deflate: Deflate::Off, tls: None, raw: false };
    let traffic = Traffic::new(64, false, Deflate::Off);
    let mut crowd = Crowd::with_sources(source.parse()?)?;
    let connections = connections.parse()?;
    let (send, commands) = mpsc::channel();
    thread::spawn(move || {
        for line in io::stdin().lines().map_while(io::Result::ok) {
            let _ = send.send(line);
        }
    });
    loop {
        let done = match commands.try_recv() {
            Ok(word) => match word.as_str() {
                "open" => crowd.open(&target, connections),
                "ping" => crowd.ping_all(PATIENCE),
                "broadcast" => crowd.broadcast(&traffic, PATIENCE),
                _ => Ok(()),
            }
            .map(|()| println!("{} {}", crowd.connections(), crowd.pings)),
            Err(TryRecvError::Empty) => crowd.attend(TURN),
            Err(TryRecvError::Disconnected) => return Ok(()),
        };
        if let Err(why) = done {
            println!("{why}");
            return Err(why.into());
        }
    }
}
