//! Measures the cost of a server's and a client's work: of fullduplex, its peers, and minimal
//! implementations, in one run.
//!
//! `cargo run --release --manifest-path bench/Cargo.toml -- [CASE…] [OPTION…]`
//!
//! The measured process has core 0 to itself, one at a time; the other end has core 1. A load, or a
//! client, checks every byte that it receives. `docs/src/reference/benchmarks.md` describes the
//! method.

mod cases;
mod chart;
mod client_process;
mod figures;
mod loads;
mod namespace;
mod options;
mod peers;
mod report;
mod server;
mod syscalls;

use std::path::PathBuf;
use std::process::ExitCode;

use fullduplex_bench::load;

use cases::{Bench, CASES, Case};
use options::Options;
use peers::Paths;
use report::Table;
use serde_json::{Value, json};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.split_first() {
        Some((first, words)) if first == loads::OPTION => loads::run(words),
        _ => Options::from_args().and_then(run),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> Result<()> {
    if !options.from.is_empty() {
        return draw_saved(&options);
    }
    let mut peers = peers::all(&options.levels, &options.builds, &options.client_builds);
    if options.list {
        list(&peers);
        return Ok(());
    }
    for name in &options.only {
        if !peers.iter().any(|peer| peer.name == *name) {
            return Err(format!("there is no server or client {name}; see --list").into());
        }
    }
    if !options.only.is_empty() {
        peers.retain(|peer| options.only.contains(&peer.name));
        peers.sort_by_key(|peer| options.only.iter().position(|name| *name == peer.name));
    }
    let cases = chosen(&options.cases)?;
    for case in &cases {
        if !peers.iter().any(|peer| case.suits(peer)) {
            return Err(format!("no server or client that was asked for has {}", case.name).into());
        }
    }
    peers.retain(|peer| cases.iter().any(|case| case.suits(peer)));
    let paths = Paths::find()?;
    let peers = peers::install(peers, &paths)?;
    if options.namespace {
        namespace::enter()?;
    }
    server::prepare()?;
    let heading = report::heading(options.rounds, options.times.measured, options.quick);
    let bench = Bench { options, paths, peers };
    let mut tables = Vec::new();
    for case in cases {
        let table = case.run(&bench)?;
        table.print();
        tables.push(table);
        // After each case, so that no result is lost if a later one is interrupted.
        save(&bench.options, &heading, &tables)?;
    }
    match tables.iter().map(Table::failed).sum() {
        0 => Ok(()),
        failed => Err(format!("\n{failed} have no figures, for the reasons above").into()),
    }
}

/// Draws figures of earlier runs.
fn draw_saved(options: &Options) -> Result<()> {
    let file = options.svg.as_ref().ok_or("--from needs --svg FILE")?;
    let read = |from: &PathBuf| -> Result<Value> {
        let text =
            std::fs::read_to_string(from).map_err(|why| format!("{}: {why}", from.display()))?;
        Ok(serde_json::from_str(&text).map_err(|why| format!("{}: {why}", from.display()))?)
    };
    let saved = options.from.iter().map(read).collect::<Result<Vec<Value>>>()?;
    let svg = chart::draw_saved(&saved).ok_or("no case has ratios of fullduplex and others")?;
    Ok(std::fs::write(file, svg)?)
}

fn list(peers: &[peers::Peer]) {
    println!("cases:");
    for case in &CASES {
        println!("  {:3} {}", case.name, case.what);
    }
    println!("servers and clients:");
    for peer in peers {
        let names = CASES.iter().filter(|case| case.suits(peer)).map(|case| case.name);
        println!("  {:23} {}", peer.name, names.collect::<Vec<_>>().join(" "));
    }
}

/// Returns the cases of these names; all if there are none.
fn chosen(names: &[String]) -> Result<Vec<&'static Case>> {
    if names.is_empty() {
        return Ok(CASES.iter().collect());
    }
    let find = |name: &String| {
        let case = CASES.iter().find(|case| case.name == name);
        case.ok_or_else(|| format!("there is no case {name}; see --list").into())
    };
    names.iter().map(find).collect()
}

fn save(options: &Options, heading: &Value, tables: &[Table]) -> Result<()> {
    if let Some(file) = &options.json {
        let cases: Vec<Value> = tables.iter().map(Table::json).collect();
        let all = json!({ "machine": heading, "cases": cases });
        std::fs::write(file, serde_json::to_string_pretty(&all)? + "\n")?;
    }
    if let Some(file) = &options.markdown {
        let mut text = String::new();
        for (name, value) in heading.as_object().into_iter().flatten() {
            text += &format!("- {name}: {}\n", value.to_string().trim_matches('"'));
        }
        for table in tables {
            text.push('\n');
            text += &table.markdown();
        }
        std::fs::write(file, text)?;
    }
    if let (Some(file), Some(svg)) = (&options.svg, chart::draw(tables)) {
        std::fs::write(file, svg)?;
    }
    Ok(())
}
