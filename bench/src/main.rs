//! Server CPU per message of fullduplex and its peers, in one run.
//!
//! `cargo run --release --manifest-path bench/Cargo.toml -- [CASE…] [--rounds N] [--only NAME]`
//!
//! Each server has core 0 to itself, the load core 1. Servers take turns for each round,
//! and the least CPU time of a message counts, so that what else the machine does falls
//! out. Reply bytes stand beside it: compression is compared at equal sizes.

mod load;
mod payload;
mod server;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use payload::Deflate;
use server::Server;

/// A kind of traffic.
struct Case {
    name: &'static str,
    what: &'static str,
    connections: usize,
    in_flight: usize,
    size: usize,
    text: bool,
    deflate: Deflate,
}

const fn case(
    name: &'static str,
    what: &'static str,
    (connections, in_flight): (usize, usize),
    size: usize,
    text: bool,
    deflate: Deflate,
) -> Case {
    Case { name, what, connections, in_flight, size, text, deflate }
}

const CASES: [Case; 7] = [
    case("a", "64 B, 64 connections, 1 in flight", (64, 1), 64, false, Deflate::Off),
    case("b", "64 B, 64 connections, 16 in flight", (64, 16), 64, false, Deflate::Off),
    case("c", "16 KiB, 32 connections", (32, 1), 16 << 10, false, Deflate::Off),
    case("d", "1 MiB, 8 connections", (8, 1), 1 << 20, false, Deflate::Off),
    case("t", "16 KiB of mixed text, 32 connections", (32, 1), 16 << 10, true, Deflate::Off),
    case("h", "1 KiB of JSON, deflate, no takeover", (32, 1), 1 << 10, true, Deflate::Each),
    case("hc", "1 KiB of JSON, deflate, takeover", (32, 1), 1 << 10, true, Deflate::Takeover),
];

/// A server to measure.
struct Peer {
    name: String,
    program: PathBuf,
    script: Option<PathBuf>,
    extra: Option<String>,
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let mut wanted = Vec::new();
    let (mut rounds, mut only, mut levels) = (7, Vec::new(), Vec::new());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--rounds" => rounds = args.next().ok_or("--rounds N")?.parse()?,
            "--only" => only.push(args.next().ok_or("--only NAME")?),
            "--level" => levels.push(args.next().ok_or("--level N")?),
            name => wanted.push(name.to_owned()),
        }
    }
    let peers = peers(&levels)?;
    let is_wanted = |peer: &&Peer| only.is_empty() || only.contains(&peer.name);
    let peers: Vec<&Peer> = peers.iter().filter(is_wanted).collect();
    // The load stays off the servers' core.
    let me = std::process::id().to_string();
    Command::new("taskset").args(["-cp", "1", &me]).output()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if wanted.iter().any(|w| w == "m") {
        println!("m: memory of a connection after so many messages of 1 KiB of JSON each way");
        runtime.block_on(memory(&peers))?;
        wanted.retain(|w| w != "m");
        if wanted.is_empty() {
            return Ok(());
        }
    }
    for case in CASES.iter().filter(|c| wanted.is_empty() || wanted.iter().any(|w| w == c.name)) {
        println!("{}: {}", case.name, case.what);
        for line in runtime.block_on(measure(case, &peers, rounds))? {
            println!("  {line}");
        }
    }
    Ok(())
}

/// Builds the servers and finds those of other languages.
fn peers(levels: &[String]) -> Result<Vec<Peer>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = folder.join("Cargo.toml");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let built = std::env::current_exe()?;
    let built = built.parent().ok_or("no folder")?;
    // Ours twice: the second with the C library that compresses whole messages.
    for features in ["libdeflate", ""] {
        let mut build = Command::new(&cargo);
        build.args(["build", "--release", "--bins", "--features", features, "--manifest-path"]);
        if !build.arg(&manifest).status()?.success() {
            return Err("the servers don't build".into());
        }
        if !features.is_empty() {
            std::fs::copy(built.join("fullduplex"), built.join("fullduplex-libdeflate"))?;
        }
    }
    let rust = |name: &str| Peer {
        name: name.into(),
        program: built.join(name),
        script: None,
        extra: None,
    };
    let mut peers: Vec<_> =
        ["fullduplex", "fullduplex-libdeflate", "sockudo", "yawc"].into_iter().map(rust).collect();
    for level in levels {
        let name = format!("fullduplex level {level}");
        peers.push(Peer { name, extra: Some(level.clone()), ..rust("fullduplex") });
    }
    let bun = folder.join("bun/node_modules/.bin/bun");
    if !bun.exists() {
        let mut npm = Command::new("npm");
        let npm = npm.args(["install", "--silent"]).current_dir(folder.join("bun")).status();
        if !npm.is_ok_and(|status| status.success()) {
            println!("bun is left out: npm could not install it");
        }
    }
    if bun.exists() {
        let script = Some(folder.join("bun/echo.js"));
        peers.push(Peer { name: "bun".into(), program: bun, script, extra: None });
    }
    Ok(peers)
}

/// How much memory a connection takes, by mode and messages.
async fn memory(peers: &[&Peer]) -> Result<()> {
    const CONNECTIONS: usize = 500;
    for peer in peers {
        let ours = peer.name.starts_with("fullduplex");
        for mode in ["off", "shared", "balanced", "dedicated"] {
            if mode == "balanced" && !ours {
                continue;
            }
            let deflate = match mode {
                "off" => Deflate::Off,
                "shared" => Deflate::Each,
                _ => Deflate::Takeover,
            };
            let frames = payload::frames(1 << 10, true, deflate);
            let program = peer.program.to_str().ok_or("a path that is not UTF-8")?;
            let mut args: Vec<&str> = Vec::new();
            args.extend(peer.script.as_deref().and_then(Path::to_str));
            args.push(mode);
            let server = Server::start(program, &args)?;
            // What the server needs for the first, of all kinds, is not counted.
            let first = load::one_by_one(&server.address, 4, &frames, 40, deflate).await?;
            for messages in [1, 40] {
                let before = server.memory();
                let open =
                    load::one_by_one(&server.address, CONNECTIONS, &frames, messages, deflate);
                let open = open.await?;
                let grown = server.memory().saturating_sub(before) / CONNECTIONS as u64;
                println!("  {:22} {mode:10} {messages:3} messages: {grown:8} B", peer.name);
                drop(open);
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            drop(first);
        }
    }
    Ok(())
}

async fn measure(case: &Case, peers: &[&Peer], rounds: usize) -> Result<Vec<String>> {
    let frames = Rc::new(payload::frames(case.size, case.text, case.deflate));
    let mode = match case.deflate {
        Deflate::Off => "off",
        Deflate::Each => "shared",
        Deflate::Takeover => "dedicated",
    };
    let mut servers = Vec::new();
    for peer in peers {
        let mut args: Vec<&str> = Vec::new();
        args.extend(peer.script.as_deref().and_then(Path::to_str));
        args.push(mode);
        args.extend(peer.extra.as_deref());
        let program = peer.program.to_str().ok_or("a path that is not UTF-8")?;
        servers.push((peer, Server::start(program, &args)?, f64::MAX, 0.0));
    }
    let time = (Duration::from_millis(300), Duration::from_millis(1000));
    for _ in 0..rounds {
        for (_, server, least, reply) in &mut servers {
            let mut cpu = Vec::new();
            let counts = load::run(
                &server.address,
                case.connections,
                case.in_flight,
                frames.clone(),
                case.deflate,
                time,
                || cpu.push(server.cpu()),
            )
            .await?;
            let messages = counts.messages as f64;
            *least = least.min((cpu[1] - cpu[0]) as f64 / 1000.0 / messages);
            *reply = counts.payload as f64 / messages;
        }
    }
    let ours = servers.first().map_or(f64::NAN, |(_, _, least, _)| *least);
    let lines = servers.iter().map(|(peer, server, least, reply)| {
        let (name, memory) = (&peer.name, server.memory() >> 10);
        format!(
            "{name:20} {least:8.3} µs  ×{:.3}  {reply:8.0} B a reply  {memory:6} KiB",
            least / ours
        )
    });
    Ok(lines.collect())
}
